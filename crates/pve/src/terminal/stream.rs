//! The two ends of an open terminal.

use bytes::Bytes;

use crate::terminal::error::TerminalError;
use crate::terminal::framing;
use crate::terminal::socket::{SocketReader, SocketWriter};
use crate::upid::Upid;

/// An open terminal. Dropping it ends the connection; the shell behind it stays.
#[derive(Debug)]
pub struct Terminal {
    reader: TerminalReader,
    writer: TerminalWriter,
    task: Option<Upid>,
}

/// What the container shows.
#[derive(Debug)]
pub struct TerminalReader {
    socket: SocketReader,
    early: Option<Bytes>,
}

/// What is typed. Clones type into the same terminal; it ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct TerminalWriter {
    socket: SocketWriter,
}

impl Terminal {
    pub(crate) fn new(
        socket: SocketReader,
        writer: SocketWriter,
        early: Bytes,
        task: Option<Upid>,
    ) -> Self {
        let early = Some(early).filter(|bytes| !bytes.is_empty());
        Self {
            reader: TerminalReader { socket, early },
            writer: TerminalWriter { socket: writer },
            task,
        }
    }

    /// The task on the node that serves it, where the host has named it.
    pub fn task(&self) -> Option<&Upid> {
        self.task.as_ref()
    }

    /// The two ends by themselves.
    pub fn split(self) -> (TerminalReader, TerminalWriter) {
        (self.reader, self.writer)
    }

    /// See [`TerminalReader::read`].
    ///
    /// # Errors
    /// See there.
    pub async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        self.reader.read().await
    }

    /// See [`TerminalWriter::write`].
    ///
    /// # Errors
    /// See there.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), TerminalError> {
        self.writer.write(bytes).await
    }

    /// See [`TerminalWriter::resize`].
    ///
    /// # Errors
    /// See there.
    pub async fn resize(&mut self, cols: u16, rows: u16) -> Result<(), TerminalError> {
        self.writer.resize(cols, rows).await
    }

    /// See [`TerminalWriter::ping`].
    ///
    /// # Errors
    /// See there.
    pub async fn ping(&mut self) -> Result<(), TerminalError> {
        self.writer.ping().await
    }
}

impl TerminalReader {
    /// The next bytes, or `None` when the terminal has ended. A call that is abandoned loses nothing, so it may stand
    /// in a `select!`.
    ///
    /// # Errors
    /// [`TerminalError::Protocol`] when the host sends what is not a terminal's stream.
    pub async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        match self.early.take() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.socket.read().await,
        }
    }
}

impl TerminalWriter {
    /// Types bytes. Waits when the host does not keep up. A call that is abandoned has typed a whole number of
    /// 64 KiB parts.
    ///
    /// # Errors
    /// [`TerminalError::Lost`] when the connection is gone.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        for part in bytes.chunks(framing::MAX_DATA) {
            self.socket.send(framing::data(part)).await?;
        }
        Ok(())
    }

    /// Tells the terminal its size, kept within 1 to 1000.
    ///
    /// # Errors
    /// [`TerminalError::Lost`] when the connection is gone.
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<(), TerminalError> {
        self.socket.send(framing::resize(cols, rows)).await
    }

    /// A sign of life; to be given every 30 seconds, since the host gives up after five quiet minutes.
    ///
    /// # Errors
    /// [`TerminalError::Lost`] when the connection is gone.
    pub async fn ping(&self) -> Result<(), TerminalError> {
        self.socket.send(framing::ping()).await
    }
}
