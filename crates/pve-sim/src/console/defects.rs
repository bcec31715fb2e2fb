//! The defects of a real termproxy with a real dtach; see [`crate::TerminalDefects`].

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::websocket::ClientFrame;

/// Bytes that fit between dtach and a shell that echoes while dtach waits to write.
pub(super) const ECHO_ROOM: usize = 4096;
/// How long termproxy, on a busy machine, takes to pass on what it has read.
const RELAY_DELAY: Duration = Duration::from_millis(30);
/// The longest delay while more output keeps coming.
const MAX_RELAY_DELAY: Duration = Duration::from_millis(300);
/// The most bytes that it holds back.
const MAX_HELD: usize = 64 * 1024;
/// A shell that shows nothing for so long has processed the typed text.
const QUIET_TIME: Duration = Duration::from_millis(50);

/// A shell's output, passed on late by a termproxy that loses it if the shell ends meanwhile.
pub(super) struct LateScreen {
    shown: mpsc::Receiver<Bytes>,
    loses_tail: bool,
    held: Vec<u8>,
    /// When the first and the last of them came.
    since: Instant,
    last: Instant,
}

impl LateScreen {
    pub(super) fn new(shown: mpsc::Receiver<Bytes>, loses_tail: bool) -> Self {
        Self {
            shown,
            loses_tail,
            held: Vec::new(),
            since: Instant::now(),
            last: Instant::now(),
        }
    }

    pub(super) fn loses_tail(&self) -> bool {
        self.loses_tail
    }

    /// The next bytes, or `None` at the shell's end. May be abandoned and called again.
    pub(super) async fn recv(&mut self) -> Option<Bytes> {
        if !self.loses_tail {
            return self.shown.recv().await;
        }
        loop {
            if self.held.is_empty() {
                self.held = self.shown.recv().await?.to_vec();
                self.since = Instant::now();
                self.last = self.since;
            }
            let longest = match self.held.len() {
                MAX_HELD.. => self.since,
                _ => self.since + MAX_RELAY_DELAY,
            };
            let deadline = longest.min(self.last + RELAY_DELAY);
            match timeout_at(deadline, self.shown.recv()).await {
                Ok(Some(bytes)) => {
                    self.held.extend_from_slice(&bytes);
                    self.last = Instant::now();
                }
                Ok(None) => {
                    self.held.clear();
                    return None;
                }
                Err(_) => return Some(std::mem::take(&mut self.held).into()),
            }
        }
    }

    /// Everything that is shown until the shell is quiet.
    pub(super) async fn all_at_once(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        while let Ok(Some(bytes)) = timeout(QUIET_TIME, self.shown.recv()).await {
            all.extend_from_slice(&bytes);
        }
        all
    }
}

/// Neither reads nor shows anything until the client disconnects.
pub(super) async fn hang_until_disconnect(
    incoming: &mut mpsc::Receiver<ClientFrame>,
) -> Option<()> {
    while !matches!(incoming.recv().await?, ClientFrame::End) {}
    Some(())
}
