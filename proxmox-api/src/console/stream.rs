//! The container's end of a console: a shell of its own over SSH, or the container's one terminal.

use ::guest::{GuestShell, ShellReader, ShellWriter};
use api_types::GuestRoute;
use bytes::Bytes;
use pve::{
    TerminalError,
    terminal::{ConsoleSession, PacedWriter, TerminalLockGuard, TerminalReader, TerminalWriter},
};

use super::end::ConsoleEnd;
use crate::{ids::LeaseId, memory::parked_shells::ParkedShell};

/// What the terminal's multiplexer says last when the shell in it has ended.
const SHELL_OVER: &[u8] = b"[EOF - dtach terminating]";

/// The container's end of a console.
pub(super) struct ConsoleStream {
    pub(super) reader: ConsoleReader,
    pub(super) writer: ConsoleWriter,
    /// The right to the container's terminal, for as long as it is used.
    _guard: Option<TerminalLockGuard>,
}

/// What the container shows.
pub(super) struct ConsoleReader {
    source: ConsoleSource,
    /// Bytes that were read and that the client has perhaps not received.
    unsent: Option<Bytes>,
    /// Those are shown again first.
    repeats: bool,
}

enum ConsoleSource {
    Ssh(ShellReader),
    Terminal { reader: TerminalReader, tail: Tail },
}

/// What is typed into the container.
#[derive(Clone)]
pub(super) enum ConsoleWriter {
    Ssh(ShellWriter),
    Terminal(TerminalWriter),
}

/// The same, as fast as the container takes it.
pub(super) enum TypingWriter {
    Ssh(ShellWriter),
    Terminal(PacedWriter),
}

impl From<ConsoleSession> for ConsoleStream {
    fn from(session: ConsoleSession) -> Self {
        let (reader, writer) = session.terminal.split();
        let tail = Tail::default();
        Self {
            reader: ConsoleReader::new(ConsoleSource::Terminal { reader, tail }),
            writer: ConsoleWriter::Terminal(writer),
            _guard: Some(session.guard),
        }
    }
}

impl From<GuestShell> for ConsoleStream {
    fn from(shell: GuestShell) -> Self {
        let (reader, writer) = shell.split();
        Self {
            reader: ConsoleReader::new(ConsoleSource::Ssh(reader)),
            writer: ConsoleWriter::Ssh(writer),
            _guard: None,
        }
    }
}

impl From<ParkedShell> for ConsoleStream {
    fn from(shell: ParkedShell) -> Self {
        Self {
            reader: ConsoleReader {
                repeats: shell.unsent.is_some(),
                unsent: shell.unsent,
                source: ConsoleSource::Ssh(shell.reader),
            },
            writer: ConsoleWriter::Ssh(shell.writer),
            _guard: None,
        }
    }
}

impl ConsoleStream {
    /// The way that it takes.
    pub(super) fn route(&self) -> GuestRoute {
        match self.writer {
            ConsoleWriter::Ssh(_) => GuestRoute::Ssh,
            ConsoleWriter::Terminal(_) => GuestRoute::Terminal,
        }
    }

    /// The shell, for a client that comes back; none where the terminal is used, which stays
    /// anyway.
    pub(super) fn into_parked(self, lease_id: &LeaseId) -> Option<ParkedShell> {
        match (self.reader.source, self.writer) {
            (ConsoleSource::Ssh(reader), ConsoleWriter::Ssh(writer)) => Some(ParkedShell {
                lease_id: lease_id.clone(),
                reader,
                writer,
                unsent: self.reader.unsent,
            }),
            _ => None,
        }
    }
}

impl ConsoleReader {
    fn new(source: ConsoleSource) -> Self {
        Self {
            source,
            unsent: None,
            repeats: false,
        }
    }

    /// The next bytes, or why there are no more. A call that is abandoned loses nothing.
    pub(super) async fn read(&mut self) -> Result<Bytes, ConsoleEnd> {
        if std::mem::take(&mut self.repeats)
            && let Some(bytes) = &self.unsent
        {
            return Ok(bytes.clone());
        }
        let bytes = self.source.read().await?;
        self.unsent = Some(bytes.clone());
        Ok(bytes)
    }

    /// What was read last was sent to the client.
    pub(super) fn sent(&mut self) {
        self.unsent = None;
    }
}

impl ConsoleSource {
    async fn read(&mut self) -> Result<Bytes, ConsoleEnd> {
        match self {
            Self::Ssh(reader) => match reader.read().await {
                Some(bytes) => Ok(bytes),
                None if reader.exit_status().is_some() => Err(ConsoleEnd::ShellOver),
                None => Err(ConsoleEnd::StreamOver),
            },
            Self::Terminal { reader, tail } => match reader.read().await {
                Ok(Some(bytes)) => {
                    tail.keep(&bytes);
                    Ok(bytes)
                }
                Ok(None) if tail.shows(SHELL_OVER) => Err(ConsoleEnd::ShellOver),
                Ok(None) => Err(ConsoleEnd::StreamOver),
                Err(error) => Err(error.into()),
            },
        }
    }
}

impl ConsoleWriter {
    /// An end that types as fast as the container takes it.
    pub(super) fn typing(&self) -> TypingWriter {
        match self {
            Self::Ssh(writer) => TypingWriter::Ssh(writer.clone()),
            Self::Terminal(writer) => TypingWriter::Terminal(writer.paced()),
        }
    }

    /// Tells the container the size of the screen.
    pub(super) async fn resize(&self, columns: u16, rows: u16) -> Result<(), ConsoleEnd> {
        match self {
            Self::Ssh(writer) => writer
                .resize(columns, rows)
                .await
                .map_err(|_| ConsoleEnd::StreamOver),
            Self::Terminal(writer) => writer.resize(columns, rows).await.map_err(lost),
        }
    }

    /// A sign of life. SSH connections have their own.
    pub(super) async fn ping(&self) {
        if let Self::Terminal(writer) = self {
            // A connection that is gone shows itself to the reader.
            let _ = writer.ping().await;
        }
    }
}

impl TypingWriter {
    /// Types all bytes.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), ConsoleEnd> {
        match self {
            Self::Ssh(writer) => writer
                .write(bytes)
                .await
                .map_err(|_| ConsoleEnd::StreamOver),
            Self::Terminal(writer) => writer.write(&bytes).await.map_err(lost),
        }
    }
}

/// Nothing can be typed any more once the terminal's connection is gone.
fn lost(_: TerminalError) -> ConsoleEnd {
    ConsoleEnd::StreamOver
}

/// The last bytes that were shown.
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    fn keep(&mut self, bytes: &[u8]) {
        let rest = &bytes[bytes.len().saturating_sub(64)..];
        self.0.extend_from_slice(rest);
        let excess = self.0.len().saturating_sub(64);
        self.0.drain(..excess);
    }

    fn shows(&self, text: &[u8]) -> bool {
        self.0.windows(text.len()).any(|window| window == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shells_end_is_seen_however_it_is_cut() {
        for cut in 1..40 {
            let mut tail = Tail::default();
            for piece in b"logout\r\n[EOF - dtach terminating]\r\n".chunks(cut) {
                tail.keep(piece);
            }
            assert!(tail.shows(SHELL_OVER), "{cut}");
            tail.keep(&[b'x'; 64]);
            assert!(!tail.shows(SHELL_OVER));
        }
    }
}
