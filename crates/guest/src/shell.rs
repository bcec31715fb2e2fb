//! Login shells in a terminal, each on a connection of its own.
//!
//! Output is not buffered here: while it is not read, the guest has to wait. What is typed waits
//! with it, since both directions share the connection.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelWriteHalf};
use tokio::sync::watch;

use crate::channel::OpenChannel;
use crate::error::{GuestError, LOST};
use crate::pool::Guest;
use crate::signal;

/// A terminal to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellRequest {
    /// Characters in a line.
    pub cols: u16,
    /// Lines.
    pub rows: u16,
    /// The terminal's kind, for `TERM`.
    pub term: String,
}

impl Default for ShellRequest {
    fn default() -> Self {
        Self {
            cols: 80,
            rows: 24,
            term: "xterm-256color".to_owned(),
        }
    }
}

/// A login shell in a terminal. Dropping it, or its reader, ends it.
#[derive(Debug)]
pub struct GuestShell {
    reader: ShellReader,
    writer: ShellWriter,
}

/// What the terminal shows.
pub struct ShellReader {
    /// Nothing once the shell ended.
    channel: Option<OpenChannel>,
    early: VecDeque<Bytes>,
    exit_status: Option<i32>,
    ended: Arc<watch::Sender<bool>>,
}

/// What is typed into the terminal. Clones write to the same one.
#[derive(Clone)]
pub struct ShellWriter {
    channel: Arc<ChannelWriteHalf<Msg>>,
    ended: Arc<watch::Sender<bool>>,
}

impl Guest {
    /// Opens a login shell.
    ///
    /// # Errors
    /// [`GuestError::RequestRefused`] if the server gives no terminal, and those of a connection.
    pub async fn open_shell(&self, request: &ShellRequest) -> Result<GuestShell, GuestError> {
        let mut channel = self.lease().stream_session().await?;
        let (read, write) = channel.halves();
        let (cols, rows) = (u32::from(request.cols), u32::from(request.rows));
        let asked = async {
            write
                .request_pty(true, &request.term, cols, rows, 0, 0, &[])
                .await?;
            write.request_shell(true).await
        };
        asked.await.map_err(|_| LOST)?;
        let mut early = VecDeque::new();
        let mut granted = 0;
        while granted < 2 {
            match read.wait().await {
                Some(ChannelMsg::Success) => granted += 1,
                Some(ChannelMsg::Failure) => return Err(GuestError::RequestRefused),
                // The server's window bounds how much comes before the grant.
                Some(ChannelMsg::Data { data }) if early.len() < 64 => early.push_back(data),
                Some(ChannelMsg::Close) | None => return Err(LOST),
                Some(_) => {}
            }
        }
        let ended = Arc::new(watch::Sender::new(false));
        let writer = ShellWriter {
            channel: channel.writer(),
            ended: ended.clone(),
        };
        let reader = ShellReader {
            channel: Some(channel),
            early,
            exit_status: None,
            ended,
        };
        Ok(GuestShell { reader, writer })
    }
}

impl GuestShell {
    /// The two directions.
    pub fn split(self) -> (ShellReader, ShellWriter) {
        (self.reader, self.writer)
    }
}

impl ShellReader {
    /// The next output, nothing once the shell ended. Dropping the future loses nothing.
    pub async fn read(&mut self) -> Option<Bytes> {
        if let Some(data) = self.early.pop_front() {
            return Some(data);
        }
        let mut ended = self.ended.subscribe();
        let (read, _) = self.channel.as_mut()?.halves();
        loop {
            let message = tokio::select! {
                _ = ended.wait_for(|ended| *ended) => break,
                message = read.wait() => message,
            };
            match message {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    return Some(data);
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.exit_status = Some(i32::try_from(exit_status).unwrap_or(i32::MAX));
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.exit_status = Some(128 + signal::number(&signal_name));
                }
                Some(ChannelMsg::Close) | None => break,
                Some(_) => {}
            }
        }
        self.ended.send_replace(true);
        self.channel = None;
        None
    }

    /// How the shell ended, once [`Self::read`] gave nothing. Nothing if the connection was lost.
    pub fn exit_status(&self) -> Option<i32> {
        self.exit_status
    }
}

impl Drop for ShellReader {
    fn drop(&mut self) {
        self.ended.send_replace(true);
    }
}

impl ShellWriter {
    /// Types bytes. Waits while the guest takes none.
    ///
    /// # Errors
    /// [`GuestError::Lost`] once the shell ended.
    pub async fn write(&self, data: Bytes) -> Result<(), GuestError> {
        self.until_ended(self.channel.data_bytes(data)).await
    }

    /// Tells the terminal's new size.
    ///
    /// # Errors
    /// [`GuestError::Lost`] once the shell ended.
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<(), GuestError> {
        let change = self
            .channel
            .window_change(u32::from(cols), u32::from(rows), 0, 0);
        self.until_ended(change).await
    }

    /// Ends the reader, which closes the terminal and so hangs up on what runs in it.
    pub fn close(&self) {
        self.ended.send_replace(true);
    }

    async fn until_ended(
        &self,
        sending: impl Future<Output = Result<(), russh::Error>>,
    ) -> Result<(), GuestError> {
        let mut ended = self.ended.subscribe();
        tokio::select! {
            biased;
            _ = ended.wait_for(|ended| *ended) => Err(LOST),
            sent = sending => sent.map_err(|_| LOST),
        }
    }
}

impl fmt::Debug for ShellReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShellReader")
            .field("exit_status", &self.exit_status)
            .finish()
    }
}

impl fmt::Debug for ShellWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShellWriter")
    }
}
