//! The conversation with one terminal: let it settle, ask whether a shell listens, type the script, read the report,
//! see the session end.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use crate::exec::parse::{Event, Parser, Report};
use crate::exec::script::{self, Nonce, Plan};
use crate::exec::{ExecError, ExecOutcome, ExecRequest, OutputSink, OutputStream};
use crate::terminal::{TerminalError, TerminalReader, TerminalWriter};

const FIRST_BYTES: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(150);
const PROBE: Duration = Duration::from_secs(3);
/// Beyond the script's own time, for typing it and for the report.
const MARGIN: Duration = Duration::from_secs(15);
const END: Duration = Duration::from_secs(3);
/// The most bytes that are read while a shell is looked for, from one thing that is typed to the
/// next, and after a report. A screen has a few KiB; what a flood leaves in the buffers on the way
/// when it is interrupted is less than this.
const NOISE: usize = 4 * 1024 * 1024;
/// Around the report of a script: the echo of what was typed, sentinels, line ends.
const AROUND: usize = 64 * 1024;

const INTERRUPT: &str = "\x03";
/// Leaves an editor's insert mode and suspends whatever is in the foreground.
const SUSPEND: &str = "\x1b\x1a";
/// Leaves vi, which suspends only where job control is on.
const LEAVE_VI: &str = "\x1b\x1b:qa!\r";

/// Where a terminal's bytes come from. Reading may be abandoned and begun again.
pub(crate) trait Source: Send {
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>, TerminalError>> + Send;
}

/// Where typed bytes go. Pieces are at most 512 bytes; an abandoned write has written nothing.
pub(crate) trait Sink: Send + Sync {
    fn write(&self, bytes: &[u8]) -> impl Future<Output = Result<(), TerminalError>> + Send;
}

#[cfg(test)]
impl<S: Source> Source for &mut S {
    async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        S::read(self).await
    }
}

#[cfg(test)]
impl<S: Sink> Sink for &S {
    async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        S::write(self, bytes).await
    }
}

impl Source for TerminalReader {
    async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        TerminalReader::read(self).await
    }
}

impl Sink for TerminalWriter {
    async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        TerminalWriter::write(self, bytes).await
    }
}

/// Why a conversation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The session of an earlier user was just ending; a new one can be opened.
    Dying,
    /// For good.
    Error(ExecError),
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        Self::Error(error)
    }
}

impl From<TerminalError> for Failure {
    fn from(error: TerminalError) -> Self {
        Self::Error(error.into())
    }
}

/// What a terminal turned out to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// A shell that listens.
    Shell,
    /// Nothing that answers.
    Quiet,
    /// More than is worth reading.
    Flood,
}

/// Runs a script on an open terminal.
#[cfg(test)]
pub(crate) async fn converse<R: Source, W: Sink>(
    source: R,
    sink: W,
    request: &ExecRequest,
    output: Option<&OutputSink>,
) -> Result<ExecOutcome, Failure> {
    let mut session = Session::find(source, sink, request.force).await?;
    Ok(session.run(request, output).await?)
}

fn outcome(report: Report, timed_out: bool) -> ExecOutcome {
    ExecOutcome {
        truncated: report.stdout_bytes > report.stdout.len() as u64
            || report.stderr_bytes > report.stderr.len() as u64,
        stdout: report.stdout,
        stderr: report.stderr,
        exit_code: report.exit_code,
        timed_out,
        stdout_bytes: report.stdout_bytes,
        stderr_bytes: report.stderr_bytes,
    }
}

/// A terminal in which a shell was found that listens to us.
#[derive(Debug)]
pub(crate) struct Session<R, W> {
    source: R,
    sink: W,
    nonce: Nonce,
    parser: Parser,
    to_type: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    /// Bytes that came since the present phase began.
    received: usize,
    ended: bool,
    last_line: Vec<u8>,
}

impl<R: Source, W: Sink> Session<R, W> {
    /// Waits until the terminal is set up and asks whether a shell listens; with `force`, ends what does not.
    pub(crate) async fn find(source: R, sink: W, force: bool) -> Result<Self, Failure> {
        let nonce = Nonce::random();
        let mut session = Self {
            source,
            sink,
            parser: Parser::new(nonce.clone()),
            nonce,
            to_type: VecDeque::new(),
            events: VecDeque::new(),
            received: 0,
            ended: false,
            last_line: Vec::new(),
        };
        session.find_shell(force).await?;
        Ok(session)
    }

    /// Runs a script, after which the session is over.
    pub(crate) async fn run(
        &mut self,
        request: &ExecRequest,
        output: Option<&OutputSink>,
    ) -> Result<ExecOutcome, ExecError> {
        let seconds = request.timeout.as_millis().div_ceil(1000).max(1) as u64;
        let plan = Plan {
            nonce: &self.nonce,
            script: &request.script,
            timeout_seconds: seconds,
            limit_bytes: request.limit_bytes,
            live: output.is_some(),
        };
        self.parser.expect_report(request.limit_bytes);
        let pieces = plan.pieces();
        self.to_type
            .extend(pieces.into_iter().map(String::into_bytes));
        // Both outputs in base64, twice where they are shown while the script runs, and the noise around them.
        let most = 8 * request.limit_bytes + AROUND;
        self.received = 0;
        let started = Instant::now();
        let limit = Duration::from_secs(seconds);
        let report = self.report(started + limit + MARGIN, most, output).await?;
        self.parser.expect_nothing();
        // A shell may also end by itself with one of these codes, but not at this time.
        let timed_out = matches!(report.exit_code, 124 | 137 | 143) && started.elapsed() >= limit;
        self.see_the_end().await;
        Ok(outcome(report, timed_out))
    }

    /// Ends the session without having run anything.
    pub(crate) async fn leave(&mut self) {
        self.to_type.push_back(script::LEAVE.as_bytes().to_vec());
        self.see_the_end().await;
    }

    /// Types what is to be typed and reads what comes, at the same time, since either may wait for the other. Returns
    /// after something was read.
    async fn step(&mut self) -> Result<(), TerminalError> {
        loop {
            let read = match self.to_type.front() {
                None => self.source.read().await,
                Some(piece) => {
                    // In no order: a terminal that is flooded always has something to be read, and
                    // would never be typed into.
                    tokio::select! {
                        read = self.source.read() => read,
                        written = self.sink.write(piece) => {
                            written?;
                            self.to_type.pop_front();
                            continue;
                        }
                    }
                }
            };
            match read? {
                None => self.ended = true,
                Some(bytes) => {
                    self.received += bytes.len();
                    self.events.extend(self.parser.feed(&bytes));
                    self.remember(&bytes);
                }
            }
            return Ok(());
        }
    }

    /// Keeps the end of what was shown, to recognise a login prompt or the last words of a session.
    fn remember(&mut self, bytes: &[u8]) {
        self.last_line.extend_from_slice(bytes);
        let excess = self.last_line.len().saturating_sub(256);
        self.last_line.drain(..excess);
    }

    fn shown(&self, text: &[u8]) -> bool {
        self.last_line
            .windows(text.len())
            .any(|window| window == text)
    }

    fn is_over(&self) -> bool {
        self.ended || self.shown(b"[EOF - dtach terminating]")
    }

    /// Waits for the first screen and then for quiet; what is typed while the terminal is set up may be lost.
    async fn settle(&mut self) -> Result<Found, Failure> {
        let longest = Instant::now() + 2 * FIRST_BYTES;
        let mut wait = FIRST_BYTES;
        self.received = 0;
        while let Ok(step) = timeout_at(longest.min(Instant::now() + wait), self.step()).await {
            step?;
            // No question is open that any of this could answer.
            self.events.clear();
            if self.is_over() {
                return Err(Failure::Dying);
            }
            if self.received > NOISE {
                return Ok(Found::Flood);
            }
            wait = QUIET;
        }
        Ok(Found::Quiet)
    }

    async fn find_shell(&mut self, force: bool) -> Result<(), Failure> {
        let mut found = self.settle().await?;
        if found != Found::Flood || force {
            found = self.probe().await?;
        }
        if found == Found::Shell {
            return Ok(());
        }
        if self.asks_for_login() {
            return Err(ExecError::NotShell.into());
        }
        if force {
            for keys in [INTERRUPT, SUSPEND, LEAVE_VI] {
                self.to_type.push_back(keys.as_bytes().to_vec());
                self.settle().await?;
                found = self.probe().await?;
                if found == Found::Shell {
                    self.to_type
                        .push_back(script::KILL_JOBS.as_bytes().to_vec());
                    return Ok(());
                }
            }
        }
        Err(match found {
            Found::Flood => ExecError::Flooded.into(),
            Found::Quiet | Found::Shell => ExecError::Busy.into(),
        })
    }

    fn asks_for_login(&self) -> bool {
        let line = self.parser.unfinished_line();
        [&b"login:"[..], b"Password:"].iter().any(|prompt| {
            self.shown(prompt) || line.windows(prompt.len()).any(|window| window == *prompt)
        })
    }

    /// Asks whether a shell listens.
    async fn probe(&mut self) -> Result<Found, Failure> {
        self.to_type
            .push_back(script::probe(&self.nonce).into_bytes());
        let deadline = Instant::now() + PROBE;
        self.received = 0;
        let mut found = Found::Quiet;
        while let Ok(step) = timeout_at(deadline, self.step()).await {
            match step {
                Err(TerminalError::Lost(_)) => return Err(Failure::Dying),
                other => other?,
            }
            if self.events.drain(..).any(|event| event == Event::Ready) {
                return Ok(Found::Shell);
            }
            if self.is_over() {
                return Err(Failure::Dying);
            }
            if self.received > NOISE {
                found = Found::Flood;
                break;
            }
        }
        self.to_type.clear();
        Ok(found)
    }

    async fn report(
        &mut self,
        deadline: Instant,
        most: usize,
        output: Option<&OutputSink>,
    ) -> Result<Report, ExecError> {
        let mut sent = [0_usize; 2];
        loop {
            while let Some(event) = self.events.pop_front() {
                match event {
                    Event::Ready => {}
                    Event::SetupFailed => {
                        self.see_the_end().await;
                        return Err(ExecError::Setup);
                    }
                    Event::Garbled => return Err(self.give_up("its report makes no sense").await),
                    Event::Output(stream, bytes) => {
                        sent[stream as usize] += bytes.len();
                        if let Some(output) = output {
                            output.send(stream, &bytes);
                        }
                    }
                    Event::Report(report) => {
                        if let Some(output) = output {
                            let rest = |all: &[u8], sent: usize| {
                                all.get(sent..).unwrap_or_default().to_vec()
                            };
                            output.send(OutputStream::Stdout, &rest(&report.stdout, sent[0]));
                            output.send(OutputStream::Stderr, &rest(&report.stderr, sent[1]));
                        }
                        return Ok(report);
                    }
                }
            }
            if self.ended {
                return Err(ExecError::Lost(
                    "the session ended before the command's report".to_owned(),
                ));
            }
            if self.received > most {
                return Err(self.give_up("it shows more than was asked for").await);
            }
            match timeout_at(deadline, self.step()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(ExecError::Lost(error.to_string())),
                Err(_) => return Err(self.give_up("it did not report in time").await),
            }
        }
    }

    /// Interrupts what runs, so that the next user of the terminal finds a shell.
    async fn give_up(&mut self, why: &str) -> ExecError {
        let _ = timeout(QUIET, self.sink.write(INTERRUPT.as_bytes())).await;
        ExecError::Lost(why.to_owned())
    }

    /// The terminal is free for the next user only when the session has ended.
    async fn see_the_end(&mut self) {
        let deadline = Instant::now() + END;
        self.received = 0;
        while !self.is_over() && self.received <= NOISE {
            match timeout_at(deadline, self.step()).await {
                Ok(Ok(())) => self.events.clear(),
                _ => return,
            }
        }
    }
}
