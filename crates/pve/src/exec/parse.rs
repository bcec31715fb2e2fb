//! Parses the terminal's output: a stream of lines in which only the sentinels of this run have a
//! meaning. It is fed in chunks with any borders.
//!
//! Root in the container controls what is shown and how much. Memory is bounded nevertheless: one
//! line, and one block of a report while one is expected.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::exec::OutputStream;
use crate::exec::script::Nonce;

/// The longest line that is kept, in bytes. Lines of base64 have 76, a line that is typed and
/// echoed has at most 1024 and what an editor of lines adds to it.
pub(crate) const MAX_LINE: usize = 4096;

/// A message of the container.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParserEvent {
    /// A shell listens.
    Ready,
    /// There is a place for the script; whether the terminal echoes what is typed.
    Listening { echo: bool },
    /// One part of the script was written, at that try; whether it is what was sent.
    Written { attempt: u32, whole: bool },
    /// The script could not be written.
    SetupFailed,
    /// The script did not begin, and will not.
    NeverBegan,
    /// There is no report of the script; whether it had begun, as far as is known there.
    Unfinished { begun: bool },
    /// More output of the running script.
    Output(OutputStream, Vec<u8>),
    /// The script has ended.
    Report(ScriptReport),
    /// A sentinel was seen, and what belongs to it makes no sense or has no end.
    Garbled,
}

/// The end of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScriptReport {
    pub(crate) exit_code: i32,
    pub(crate) stdout_bytes: u64,
    pub(crate) stderr_bytes: u64,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

#[derive(Debug, Default)]
enum ParserState {
    /// Between the blocks: noise and sentinels.
    #[default]
    Outside,
    /// In a block of output of the running script.
    Live(OutputStream),
    /// In the final block.
    Stdout(ReportHeader),
    /// In its second half.
    Stderr(ReportHeader, Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
struct ReportHeader {
    exit_code: i32,
    stdout_bytes: u64,
    stderr_bytes: u64,
}

/// Reads the stream of one run.
#[derive(Debug)]
pub(crate) struct OutputParser {
    nonce: Nonce,
    state: ParserState,
    line: Vec<u8>,
    /// The line that has not ended yet is longer than is kept, and dropped.
    overlong: bool,
    encoded: Vec<u8>,
    /// The most base64 in one block; `None` while no script runs, when blocks are ignored.
    longest_block: Option<usize>,
}

impl OutputParser {
    pub(crate) fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            state: ParserState::Outside,
            line: Vec::new(),
            overlong: false,
            encoded: Vec::new(),
            longest_block: None,
        }
    }

    /// A script runs from now on, which may show so many bytes of each of its outputs.
    pub(crate) fn expect_report(&mut self, limit_bytes: usize) {
        // Padding included.
        self.longest_block = Some(limit_bytes.div_ceil(3) * 4);
    }

    /// From now on every block is noise.
    pub(crate) fn expect_nothing(&mut self) {
        self.longest_block = None;
        self.state = ParserState::Outside;
        self.encoded = Vec::new();
    }

    /// The line that has not ended yet, such as a prompt.
    pub(crate) fn unfinished_line(&self) -> &[u8] {
        &self.line
    }

    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<ParserEvent> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.overlong || self.line.len() + part.len() > MAX_LINE {
                events.extend(self.drop_line());
                self.overlong = !ends;
                continue;
            }
            self.line.extend_from_slice(part);
            if ends {
                let line = std::mem::take(&mut self.line);
                events.extend(self.take_line(&line));
            }
        }
        events
    }

    /// Drops a line that is longer than any that the script's runner prints. Between the blocks it
    /// is noise, and a sentinel begins a line of its own.
    fn drop_line(&mut self) -> Option<ParserEvent> {
        self.line.clear();
        match self.state {
            ParserState::Outside => None,
            _ => Some(self.garbled()),
        }
    }

    fn garbled(&mut self) -> ParserEvent {
        self.state = ParserState::Outside;
        self.encoded = Vec::new();
        ParserEvent::Garbled
    }

    fn take_line(&mut self, line: &[u8]) -> Option<ParserEvent> {
        let end = match self.state {
            ParserState::Outside => return self.outside(line),
            ParserState::Live(_) => 'F',
            ParserState::Stdout(_) => 'M',
            ParserState::Stderr(..) => 'E',
        };
        let Some((before, _)) = self.split(line, end) else {
            return self.gather(line);
        };
        if let Some(garbled) = self.gather(before) {
            return Some(garbled);
        }
        let Some(bytes) = self.decoded() else {
            return Some(self.garbled());
        };
        match std::mem::take(&mut self.state) {
            ParserState::Outside => None,
            ParserState::Live(stream) => Some(ParserEvent::Output(stream, bytes)),
            ParserState::Stdout(header) => {
                self.state = ParserState::Stderr(header, bytes);
                None
            }
            ParserState::Stderr(header, stdout) => Some(ParserEvent::Report(ScriptReport {
                exit_code: header.exit_code,
                stdout_bytes: header.stdout_bytes,
                stderr_bytes: header.stderr_bytes,
                stdout,
                stderr: bytes,
            })),
        }
    }

    fn outside(&mut self, line: &[u8]) -> Option<ParserEvent> {
        if self.split(line, 'R').is_some() {
            return Some(ParserEvent::Ready);
        }
        self.longest_block?;
        if self.split(line, 'X').is_some() {
            return Some(ParserEvent::SetupFailed);
        }
        if self.split(line, 'N').is_some() {
            return Some(ParserEvent::NeverBegan);
        }
        if let Some((_, after)) = self.split(line, 'U') {
            let begun = after.trim_ascii() == b"1";
            return Some(ParserEvent::Unfinished { begun });
        }
        if let Some((_, after)) = self.split(line, 'L') {
            let echo = after.trim_ascii() != b"0";
            return Some(ParserEvent::Listening { echo });
        }
        if let Some((_, after)) = self.split(line, 'W') {
            return Some(written(after).unwrap_or(ParserEvent::Garbled));
        }
        if let Some((_, after)) = self.split(line, 'S') {
            let stream = match after.trim_ascii() {
                b"o" => OutputStream::Stdout,
                b"e" => OutputStream::Stderr,
                _ => return Some(ParserEvent::Garbled),
            };
            self.state = ParserState::Live(stream);
            return None;
        }
        let (_, after) = self.split(line, 'B')?;
        match header(after) {
            Some(header) => {
                self.state = ParserState::Stdout(header);
                None
            }
            None => Some(ParserEvent::Garbled),
        }
    }

    /// The parts of a line before and after a sentinel.
    fn split<'a>(&self, line: &'a [u8], mark: char) -> Option<(&'a [u8], &'a [u8])> {
        let sentinel = self.nonce.joined(mark).into_bytes();
        let start = line
            .windows(sentinel.len())
            .position(|window| window == sentinel)?;
        Some((&line[..start], &line[start + sentinel.len()..]))
    }

    /// Keeps the base64 characters, without carriage returns and noise. More than the limit means
    /// that the block is garbled.
    fn gather(&mut self, line: &[u8]) -> Option<ParserEvent> {
        let wanted =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        self.encoded.extend(line.iter().filter(wanted));
        let longest = self.longest_block.unwrap_or_default();
        (self.encoded.len() > longest).then(|| self.garbled())
    }

    fn decoded(&mut self) -> Option<Vec<u8>> {
        STANDARD.decode(std::mem::take(&mut self.encoded)).ok()
    }
}

fn written(text: &[u8]) -> Option<ParserEvent> {
    let text = std::str::from_utf8(text).ok()?;
    let (attempt, status) = text.trim().split_once(' ')?;
    Some(ParserEvent::Written {
        attempt: attempt.parse().ok()?,
        whole: status == "0",
    })
}

fn header(text: &[u8]) -> Option<ReportHeader> {
    let text = std::str::from_utf8(text).ok()?;
    let mut numbers = text.split_ascii_whitespace();
    let header = ReportHeader {
        exit_code: numbers.next()?.parse().ok()?,
        stdout_bytes: numbers.next()?.parse().ok()?,
        stderr_bytes: numbers.next()?.parse().ok()?,
    };
    numbers.next().is_none().then_some(header)
}

#[cfg(test)]
mod tests;
