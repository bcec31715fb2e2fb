//! Reads what comes back: a stream of lines in which only the sentinels of this run mean anything. Fed piece by piece,
//! whatever the borders of the pieces.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::exec::OutputStream;
use crate::exec::script::Nonce;

/// Something that the container said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A shell listens.
    Ready,
    /// The script could not be written.
    SetupFailed,
    /// More output of the running script.
    Output(OutputStream, Vec<u8>),
    /// The script has ended.
    Report(Report),
    /// A sentinel was seen, and what belongs to it makes no sense.
    Garbled,
}

/// The end of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) exit_code: i32,
    pub(crate) stdout_bytes: u64,
    pub(crate) stderr_bytes: u64,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    /// Between the blocks; nothing here is ours.
    #[default]
    Outside,
    /// In a block of output of the running script.
    Live(OutputStream),
    /// In the final block.
    Stdout(Header),
    /// In its second half.
    Stderr(Header, Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
struct Header {
    exit_code: i32,
    stdout_bytes: u64,
    stderr_bytes: u64,
}

/// Reads the stream of one run.
#[derive(Debug)]
pub(crate) struct Parser {
    nonce: Nonce,
    state: State,
    line: Vec<u8>,
    encoded: Vec<u8>,
}

impl Parser {
    pub(crate) fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            state: State::Outside,
            line: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// The line that has not ended yet, such as a prompt.
    pub(crate) fn unfinished_line(&self) -> &[u8] {
        &self.line
    }

    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                events.extend(self.take_line(&line));
            }
        }
        events
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Event> {
        match std::mem::take(&mut self.state) {
            State::Outside => self.outside(line),
            State::Live(stream) => match self.split(line, 'F') {
                Some((before, _)) => {
                    self.gather(before);
                    Some(
                        self.decoded()
                            .map_or(Event::Garbled, |bytes| Event::Output(stream, bytes)),
                    )
                }
                None => {
                    self.gather(line);
                    self.state = State::Live(stream);
                    None
                }
            },
            State::Stdout(header) => match self.split(line, 'M') {
                Some((before, _)) => {
                    self.gather(before);
                    let Some(stdout) = self.decoded() else {
                        return Some(Event::Garbled);
                    };
                    self.state = State::Stderr(header, stdout);
                    None
                }
                None => {
                    self.gather(line);
                    self.state = State::Stdout(header);
                    None
                }
            },
            State::Stderr(header, stdout) => match self.split(line, 'E') {
                Some((before, _)) => {
                    self.gather(before);
                    let Some(stderr) = self.decoded() else {
                        return Some(Event::Garbled);
                    };
                    Some(Event::Report(Report {
                        exit_code: header.exit_code,
                        stdout_bytes: header.stdout_bytes,
                        stderr_bytes: header.stderr_bytes,
                        stdout,
                        stderr,
                    }))
                }
                None => {
                    self.gather(line);
                    self.state = State::Stderr(header, stdout);
                    None
                }
            },
        }
    }

    fn outside(&mut self, line: &[u8]) -> Option<Event> {
        if self.split(line, 'R').is_some() {
            return Some(Event::Ready);
        }
        if self.split(line, 'X').is_some() {
            return Some(Event::SetupFailed);
        }
        if let Some((_, after)) = self.split(line, 'S') {
            let stream = match after.trim_ascii() {
                b"o" => OutputStream::Stdout,
                b"e" => OutputStream::Stderr,
                _ => return Some(Event::Garbled),
            };
            self.state = State::Live(stream);
            return None;
        }
        let (_, after) = self.split(line, 'B')?;
        match header(after) {
            Some(header) => {
                self.state = State::Stdout(header);
                None
            }
            None => Some(Event::Garbled),
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

    /// Keeps what can be base64; carriage returns and noise fall away.
    fn gather(&mut self, line: &[u8]) {
        let wanted =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        self.encoded.extend(line.iter().filter(wanted));
    }

    fn decoded(&mut self) -> Option<Vec<u8>> {
        STANDARD.decode(std::mem::take(&mut self.encoded)).ok()
    }
}

fn header(text: &[u8]) -> Option<Header> {
    let text = std::str::from_utf8(text).ok()?;
    let mut numbers = text.split_ascii_whitespace();
    let header = Header {
        exit_code: numbers.next()?.parse().ok()?,
        stdout_bytes: numbers.next()?.parse().ok()?,
        stderr_bytes: numbers.next()?.parse().ok()?,
    };
    numbers.next().is_none().then_some(header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nonce() -> Nonce {
        Nonce {
            a: "0123abcd".into(),
            b: "4567ef01".into(),
        }
    }

    fn transcript(code: i32, stdout: &[u8], stderr: &[u8]) -> Vec<u8> {
        let n = nonce();
        format!(
            " echoed '0123abcdB' '4567ef01'\r\n\r\n{} {code} {} {}\r\n{}\r\n{}\r\n{}\r\n{}\r\nexit\r\n",
            n.joined('B'),
            stdout.len(),
            stderr.len(),
            STANDARD.encode(stdout).as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\r\n"),
            n.joined('M'),
            STANDARD.encode(stderr),
            n.joined('E'),
        )
        .into_bytes()
    }

    proptest! {
        #[test]
        fn a_report_is_the_same_however_it_is_cut(
            stdout in prop::collection::vec(any::<u8>(), 0..300), stderr in prop::collection::vec(any::<u8>(), 0..100),
            code in 0_i32..256, cut in 1_usize..40,
        ) {
            let mut parser = Parser::new(nonce());
            let events: Vec<Event> = transcript(code, &stdout, &stderr).chunks(cut).flat_map(|c| parser.feed(c)).collect();
            let expected = Report {
                exit_code: code, stdout_bytes: stdout.len() as u64, stderr_bytes: stderr.len() as u64, stdout, stderr,
            };
            prop_assert_eq!(events, [Event::Report(expected)]);
        }

        #[test]
        fn no_bytes_make_the_parser_panic_or_believe(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Parser::new(nonce()).feed(&bytes), []);
        }
    }

    #[test]
    fn sentinels_of_another_run_mean_nothing() {
        let mut parser = Parser::new(Nonce {
            a: "ffffffff".into(),
            b: "ffffffff".into(),
        });
        assert_eq!(parser.feed(&transcript(0, b"x", b"")), []);
    }

    #[test]
    fn a_forged_block_is_garbled_and_never_a_panic() {
        let b = nonce().joined('B');
        for text in [
            format!("{b}\n"),
            format!("{b} 1 2\n"),
            format!("{b} -1 -2 3\n"),
            format!("{b} 99999999999999999999 0 0\n"),
            format!("{b} 0 0 0\n===\n{}\n", nonce().joined('M')),
        ] {
            assert_eq!(
                Parser::new(nonce()).feed(text.as_bytes()),
                [Event::Garbled],
                "{text}"
            );
        }
    }

    #[test]
    fn output_of_a_running_script_is_told_by_stream() {
        let n = nonce();
        let text = format!(
            "{} o\r\naGk=\r\n{}\r\n{} e\nIQ==\n{}\n",
            n.joined('S'),
            n.joined('F'),
            n.joined('S'),
            n.joined('F')
        );
        assert_eq!(
            Parser::new(n).feed(text.as_bytes()),
            [
                Event::Output(OutputStream::Stdout, b"hi".to_vec()),
                Event::Output(OutputStream::Stderr, b"!".to_vec()),
            ]
        );
    }
}
