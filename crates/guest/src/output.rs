//! What a command prints: the start is kept, the rest counted, nothing ever waits.

use crate::command::{CommandOutcome, OutputSink, OutputStream};
use crate::error::GuestError;

/// The two outputs of one command, from the prelude's header on.
pub(crate) struct Output<'a> {
    stdout: Stream,
    stderr: Stream,
    group: Option<u32>,
    sink: Option<&'a OutputSink>,
}

struct Stream {
    /// The word that starts the header, until the header is complete.
    word: Option<Vec<u8>>,
    /// What may be the start of the header.
    before: Vec<u8>,
    kept: Vec<u8>,
    limit: usize,
    total: u64,
}

/// The longest line of a header, and so what is kept while it is looked for.
const MAX_HEADER: usize = 128;

impl<'a> Output<'a> {
    pub(crate) fn new(word: &str, limit: usize, sink: Option<&'a OutputSink>) -> Self {
        Self {
            stdout: Stream::new(word, limit),
            stderr: Stream::new(word, limit),
            group: None,
            sink,
        }
    }

    pub(crate) fn stdout(&mut self, data: &[u8]) {
        let rest = match self.stdout.header(data) {
            Found::Header(_, rest) => rest,
            Found::After => data.to_vec(),
            Found::Nothing => return,
        };
        self.stdout.keep(&rest);
        self.send(OutputStream::Stdout, &rest);
    }

    /// # Errors
    /// [`GuestError::NoSuchUser`] and [`GuestError::NoSuchDirectory`]: nothing runs.
    pub(crate) fn stderr(&mut self, data: &[u8]) -> Result<(), GuestError> {
        let rest = match self.stderr.header(data) {
            Found::Header(header, rest) => {
                match header.trim() {
                    "user" => return Err(GuestError::NoSuchUser),
                    "directory" => return Err(GuestError::NoSuchDirectory),
                    header => {
                        let group = header.strip_prefix("run ");
                        self.group = group
                            .and_then(|group| group.parse().ok())
                            // Group 1 would be the guest's own init.
                            .filter(|group| *group > 1);
                    }
                }
                rest
            }
            Found::After => data.to_vec(),
            Found::Nothing => return Ok(()),
        };
        self.stderr.keep(&rest);
        self.send(OutputStream::Stderr, &rest);
        Ok(())
    }

    fn send(&self, stream: OutputStream, bytes: &[u8]) {
        if let Some(sink) = self.sink {
            sink.send(stream, bytes);
        }
    }

    /// Whether the header came, so that the script runs or ran.
    pub(crate) fn started(&self) -> bool {
        self.stderr.word.is_none()
    }

    pub(crate) fn group(&self) -> Option<u32> {
        self.group
    }

    pub(crate) fn outcome(self, exit_code: i32, timed_out: bool) -> CommandOutcome {
        let cut = |stream: &Stream| stream.total > stream.kept.len() as u64;
        CommandOutcome {
            truncated: cut(&self.stdout) || cut(&self.stderr),
            stdout_bytes: self.stdout.total,
            stderr_bytes: self.stderr.total,
            stdout: self.stdout.kept,
            stderr: self.stderr.kept,
            exit_code,
            timed_out,
        }
    }
}

enum Found {
    /// The header came before.
    After,
    /// It has not come yet.
    Nothing,
    /// The rest of its line, and what follows it.
    Header(String, Vec<u8>),
}

impl Stream {
    fn new(word: &str, limit: usize) -> Self {
        Self {
            word: Some(word.as_bytes().to_vec()),
            before: Vec::new(),
            kept: Vec::new(),
            limit,
            total: 0,
        }
    }

    fn header(&mut self, data: &[u8]) -> Found {
        let Some(word) = &self.word else {
            return Found::After;
        };
        self.before.extend_from_slice(data);
        let at = self
            .before
            .windows(word.len())
            .position(|part| part == word);
        if let Some(at) = at {
            let line = &self.before[at + word.len()..];
            if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                let header = String::from_utf8_lossy(&line[..end]).into_owned();
                let rest = line[end + 1..].to_vec();
                self.word = None;
                self.before = Vec::new();
                return Found::Header(header, rest);
            }
        }
        // A header that is not complete is at the end.
        let start = self.before.len().saturating_sub(MAX_HEADER);
        self.before.drain(..start);
        Found::Nothing
    }

    fn keep(&mut self, data: &[u8]) {
        self.total += data.len() as u64;
        let room = self.limit.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_the_login_shell_prints_is_no_output_wherever_the_pieces_are_cut() {
        let stderr = format!("bash: noise {WORD}? no\nmore{WORD} run 4711\nerr\n");
        let stderr = stderr.replacen(WORD, "0123456789abcdef", 1);
        let stdout = format!("welcome\n{WORD}\nout\n");
        for size in 1..stderr.len() {
            let mut output = Output::new(WORD, 100, None);
            for piece in stderr.as_bytes().chunks(size) {
                output.stderr(piece).unwrap();
            }
            for piece in stdout.as_bytes().chunks(size) {
                output.stdout(piece);
            }
            assert_eq!(output.group(), Some(4711));
            let outcome = output.outcome(0, false);
            assert_eq!(outcome.stdout, b"out\n", "{size}");
            assert_eq!(outcome.stderr, b"err\n", "{size}");
            assert!(!outcome.truncated);
        }
    }

    #[test]
    fn a_flood_before_the_header_takes_no_memory() {
        let mut output = Output::new(WORD, 100, None);
        for _ in 0..1000 {
            output.stdout(&[b'x'; 4096]);
            assert!(output.stdout.before.len() <= MAX_HEADER);
        }
        assert!(!output.started());
        assert_eq!(output.outcome(0, false).stdout_bytes, 0);
    }

    #[test]
    fn the_rest_is_counted() {
        let mut output = Output::new(WORD, 4, None);
        output.stdout(format!("{WORD}\nabcdefgh").as_bytes());
        output.stdout(b"ij");
        let outcome = output.outcome(0, false);
        assert_eq!(outcome.stdout, b"abcd");
        assert_eq!((outcome.stdout_bytes, outcome.truncated), (10, true));
    }

    #[test]
    fn a_missing_user_or_directory_is_told_by_the_header_alone() {
        let fail = |text: &str| Output::new(WORD, 10, None).stderr(text.as_bytes());
        assert_eq!(fail(&format!("{WORD} user\n")), Err(GuestError::NoSuchUser));
        assert_eq!(
            fail(&format!("{WORD} directory\n")),
            Err(GuestError::NoSuchDirectory)
        );
        assert_eq!(fail("user\ndirectory\n"), Ok(()));
    }
}
