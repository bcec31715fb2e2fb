//! The two ends of an open terminal.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::terminal::error::TerminalError;
use crate::terminal::framing;
use crate::terminal::socket::{SocketReader, SocketWriter};
use crate::upid::Upid;

/// How much is typed at a time into a terminal that echoes, and how often.
pub(crate) const PACED_BYTES: usize = 512;
pub(crate) const PACE: Duration = Duration::from_millis(30);

/// An open terminal. Dropping it ends the connection; the shell behind it stays.
#[derive(Debug)]
pub struct Terminal {
    reader: TerminalReader,
    writer: TerminalWriter,
    task: Option<Upid>,
}

/// The end that reads what the container shows.
#[derive(Debug)]
pub struct TerminalReader {
    socket: SocketReader,
    early: Option<Bytes>,
}

/// The end that types. Clones type into the same terminal; it ends when the last one is dropped.
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

    /// See [`TerminalWriter::paced`].
    pub fn paced(&self) -> PacedWriter {
        self.writer.paced()
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
    /// The next bytes, or `None` when the terminal has ended. A call that is abandoned loses
    /// nothing, so it may stand in a `select!`.
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
    /// Types bytes. Waits when the host does not keep up. A call that is abandoned has typed a
    /// whole number of 64 KiB parts.
    ///
    /// # Errors
    /// [`TerminalError::Lost`] when the connection is gone.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        for part in bytes.chunks(framing::MAX_DATA) {
            let message = framing::data(part);
            let header = message.len() - part.len();
            self.socket.send(message, header).await?;
        }
        Ok(())
    }

    /// Makes an end that types as fast as a terminal can echo.
    pub fn paced(&self) -> PacedWriter {
        PacedWriter {
            writer: self.clone(),
            since: Instant::now(),
            room: PACED_BYTES,
        }
    }

    /// Tells the terminal its size, kept within 1 to 1000.
    ///
    /// # Errors
    /// [`TerminalError::Lost`] when the connection is gone.
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<(), TerminalError> {
        let message = framing::resize(cols, rows);
        let header = message.len();
        self.socket.send(message, header).await
    }

    /// A sign of life; to be given every 30 seconds, since the host gives up after five quiet
    /// minutes.
    ///
    /// # Errors
    /// [`TerminalError::Lost`] when the connection is gone.
    pub async fn ping(&self) -> Result<(), TerminalError> {
        self.socket.send(framing::ping(), 1).await
    }
}

/// A writer for a terminal that echoes: at most 512 bytes each 30 ms. More at once makes the
/// host's dtach wait to write while the shell waits to echo, which is a deadlock.
#[derive(Debug)]
pub struct PacedWriter {
    writer: TerminalWriter,
    since: Instant,
    room: usize,
}

impl PacedWriter {
    /// Types all bytes; a call that is abandoned has typed a part of them.
    ///
    /// # Errors
    /// [`TerminalError::Lost`] when the connection is gone.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), TerminalError> {
        while !bytes.is_empty() {
            let next = self.since + PACE;
            if self.room == 0 {
                sleep_until(next).await;
            }
            let now = Instant::now();
            if now >= next {
                (self.since, self.room) = (now, PACED_BYTES);
            }
            let (part, rest) = bytes.split_at(bytes.len().min(self.room));
            self.writer.write(part).await?;
            self.room -= part.len();
            bytes = rest;
        }
        Ok(())
    }
}
