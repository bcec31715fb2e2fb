//! The conversation with one terminal: let it settle, ask whether a shell listens, write the script
//! (`upload`), run it, read the report, and only then see the session end. Where the connection was
//! lost in the middle, `recover` finds out in a new one what became of the script.

mod find;
mod passed_output;
mod recover;
mod upload;

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::exec::parse::{OutputParser, ParserEvent, ScriptReport};
use crate::exec::script::{self, Nonce, ScriptPlan};
use crate::exec::{ExecError, ExecOutcome};
#[cfg(test)]
use crate::exec::{ExecRequest, OutputSink};
pub(crate) use passed_output::PassedOutput;
pub(crate) use recover::RecoveredScript;

use crate::terminal::{PACE, PACED_BYTES, TerminalError, TerminalReader, TerminalWriter};

/// A terminal that shows nothing for so long has settled.
const QUIET_TIME: Duration = Duration::from_millis(150);
/// Beyond the script's own time, for typing it and for the report.
const REPORT_MARGIN: Duration = Duration::from_secs(15);
/// How long to wait for the session's end.
const END_TIMEOUT: Duration = Duration::from_secs(3);
/// The most bytes that are read while a shell is looked for, from one thing that is typed to the
/// next, and after a report. A screen has a few KiB; what a flood leaves in the buffers on the way
/// when it is interrupted is less than this.
const MAX_NOISE: usize = 4 * 1024 * 1024;
/// Around the report of a script: the echo of what was typed, sentinels, line ends.
const REPORT_OVERHEAD: usize = 64 * 1024;

/// How often a report that makes no sense is asked for again.
const REPRINTS: u32 = 2;

const INTERRUPT: &str = "\x03";

/// Where a terminal's bytes come from. Reading may be abandoned and begun again.
pub(crate) trait ByteSource: Send {
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>, TerminalError>> + Send;
}

/// Where typed bytes go. Pieces are at most 64 KiB; an abandoned write has written nothing.
pub(crate) trait ByteSink: Send + Sync {
    fn write(&self, bytes: &[u8]) -> impl Future<Output = Result<(), TerminalError>> + Send;
}

#[cfg(test)]
impl<S: ByteSource> ByteSource for &mut S {
    async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        S::read(self).await
    }
}

#[cfg(test)]
impl<S: ByteSink> ByteSink for &S {
    async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        S::write(self, bytes).await
    }
}

impl ByteSource for TerminalReader {
    async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        TerminalReader::read(self).await
    }
}

impl ByteSink for TerminalWriter {
    async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        TerminalWriter::write(self, bytes).await
    }
}

/// Why a conversation failed.
#[derive(Debug)]
pub(crate) enum SessionFailure {
    /// The session of an earlier user was just ending; a new session can be opened.
    Dying,
    /// A retry does not help.
    Error(ExecError),
}

impl From<ExecError> for SessionFailure {
    fn from(error: ExecError) -> Self {
        Self::Error(error)
    }
}

impl From<TerminalError> for SessionFailure {
    fn from(error: TerminalError) -> Self {
        Self::Error(error.into())
    }
}

/// Runs a script on an open terminal.
#[cfg(test)]
pub(crate) async fn converse<R: ByteSource, W: ByteSink>(
    source: R,
    sink: W,
    request: &ExecRequest,
    output: Option<&OutputSink>,
) -> Result<ExecOutcome, SessionFailure> {
    let mut session = ScriptSession::find(source, sink, request.force).await?;
    let nonce = session.nonce();
    let plan = ScriptPlan::new(&nonce, request, output.is_some());
    session.upload(&plan, None).await?;
    let mut passed = PassedOutput::new(output);
    Ok(session
        .run(&plan, &RunLimits::from_now(&plan), &mut passed)
        .await?)
}

/// When a script was started, how long it may take, and how much it may show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunLimits {
    begun: Instant,
    time_limit: Duration,
    /// The most bytes that are read: both outputs in base64, twice where they are shown while the
    /// script runs, and the noise around them.
    max_bytes: usize,
}

impl RunLimits {
    pub(crate) fn from_now(plan: &ScriptPlan<'_>) -> Self {
        Self {
            begun: Instant::now(),
            time_limit: Duration::from_secs(plan.timeout_seconds),
            max_bytes: 8 * plan.limit_bytes + REPORT_OVERHEAD,
        }
    }

    /// When the report has to be there.
    pub(crate) fn deadline(&self) -> Instant {
        self.begun + self.time_limit + REPORT_MARGIN
    }
}

fn outcome(report: ScriptReport, limits: &RunLimits) -> ExecOutcome {
    // A shell may also end by itself with one of these codes, but before the time limit.
    let timed_out =
        matches!(report.exit_code, 124 | 137 | 143) && limits.begun.elapsed() >= limits.time_limit;
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

/// A terminal in which a listening shell was found.
#[derive(Debug)]
pub(crate) struct ScriptSession<R, W> {
    source: R,
    sink: W,
    nonce: Nonce,
    parser: OutputParser,
    to_type: VecDeque<Vec<u8>>,
    /// The terminal shows what is typed, as far as is known.
    echo: bool,
    /// Nothing is typed before.
    type_at: Instant,
    events: VecDeque<ParserEvent>,
    /// Bytes that came since the present phase began.
    received: usize,
    ended: bool,
    last_line: Vec<u8>,
}

impl<R: ByteSource, W: ByteSink> ScriptSession<R, W> {
    fn new(source: R, sink: W, nonce: Nonce) -> Self {
        Self {
            source,
            sink,
            parser: OutputParser::new(nonce.clone()),
            nonce,
            to_type: VecDeque::new(),
            echo: true,
            type_at: Instant::now(),
            events: VecDeque::new(),
            received: 0,
            ended: false,
            last_line: Vec::new(),
        }
    }

    /// Waits until the terminal is set up and asks whether a shell listens; with `force`, ends what
    /// does not.
    pub(crate) async fn find(source: R, sink: W, force: bool) -> Result<Self, SessionFailure> {
        let mut session = Self::new(source, sink, Nonce::random());
        session.find_shell(force).await?;
        Ok(session)
    }

    /// Runs the script that was written; afterwards the session is over. From here on the script
    /// may have run.
    pub(crate) async fn run(
        &mut self,
        plan: &ScriptPlan<'_>,
        limits: &RunLimits,
        passed: &mut PassedOutput<'_>,
    ) -> Result<ExecOutcome, ExecError> {
        self.type_in(script::START.to_owned());
        self.received = 0;
        let report = self.report(plan, limits, passed).await?;
        self.parser.expect_nothing();
        self.leave().await;
        Ok(outcome(report, limits))
    }

    /// The nonce in the sentinels of this session.
    pub(crate) fn nonce(&self) -> Nonce {
        self.nonce.clone()
    }

    async fn setup_failed(&mut self) -> ExecError {
        self.leave().await;
        ExecError::Setup
    }

    /// Queues what is typed: one message, unless the terminal echoes it.
    fn type_in(&mut self, text: String) {
        if self.echo {
            let pieces = text.as_bytes().chunks(PACED_BYTES).map(<[u8]>::to_vec);
            self.to_type.extend(pieces);
        } else {
            self.to_type.push_back(text.into_bytes());
        }
    }

    /// Ends the session without having run anything.
    pub(crate) async fn leave(&mut self) {
        self.to_type.push_back(script::LEAVE.as_bytes().to_vec());
        self.await_end().await;
    }

    /// Types the queued text and reads at the same time, since either may wait for the other.
    /// Returns after something was read.
    async fn step(&mut self) -> Result<(), TerminalError> {
        loop {
            let read = match self.to_type.front() {
                None => self.source.read().await,
                Some(piece) => {
                    let length = piece.len();
                    let typing = async {
                        // A timer takes a millisecond at least, which a flood does not leave.
                        if self.type_at > Instant::now() {
                            sleep_until(self.type_at).await;
                        }
                        self.sink.write(piece).await
                    };
                    // In no order: a terminal that is flooded always has something to be read, and
                    // would never be typed into.
                    tokio::select! {
                        read = self.source.read() => read,
                        written = typing => {
                            written?;
                            self.to_type.pop_front();
                            if self.echo && length == PACED_BYTES {
                                self.type_at = Instant::now() + PACE;
                            }
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
                    self.keep_last_line(&bytes);
                }
            }
            return Ok(());
        }
    }

    /// Keeps the end of what was shown, to recognise a login prompt or dtach's last message.
    fn keep_last_line(&mut self, bytes: &[u8]) {
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

    async fn report(
        &mut self,
        plan: &ScriptPlan<'_>,
        limits: &RunLimits,
        passed: &mut PassedOutput<'_>,
    ) -> Result<ScriptReport, ExecError> {
        let mut asked_again = 0;
        loop {
            while let Some(event) = self.events.pop_front() {
                match event {
                    ParserEvent::SetupFailed => return Err(self.setup_failed().await),
                    // Other output came in the middle of the report.
                    ParserEvent::Garbled if asked_again < REPRINTS => {
                        asked_again += 1;
                        passed.wait_for_report();
                        self.parser.expect_report(plan.limit_bytes);
                        self.type_in(script::PRINT_AGAIN.to_owned());
                    }
                    ParserEvent::Garbled => {
                        return Err(self.give_up("its report makes no sense").await);
                    }
                    ParserEvent::Unfinished { .. } => {
                        self.leave().await;
                        return Err(ExecError::Lost("it has removed its outputs".to_owned()));
                    }
                    ParserEvent::Output(stream, bytes) => passed.output(stream, &bytes),
                    ParserEvent::Report(report) => {
                        passed.rest(&report);
                        return Ok(report);
                    }
                    _ => {}
                }
            }
            if self.ended {
                return Err(ExecError::Lost(
                    "the session ended before the command's report".to_owned(),
                ));
            }
            if self.received > limits.max_bytes {
                return Err(self.give_up("it shows more than was asked for").await);
            }
            match timeout_at(limits.deadline(), self.step()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(ExecError::Lost(error.to_string())),
                Err(_) => return Err(self.give_up("it did not report in time").await),
            }
        }
    }

    /// Interrupts what runs, so that the next user of the terminal finds a shell.
    async fn give_up(&mut self, why: &str) -> ExecError {
        let _ = timeout(QUIET_TIME, self.sink.write(INTERRUPT.as_bytes())).await;
        ExecError::Lost(why.to_owned())
    }

    /// The terminal is free for the next user only when the session has ended.
    async fn await_end(&mut self) {
        let deadline = Instant::now() + END_TIMEOUT;
        self.received = 0;
        while !self.is_over() && self.received <= MAX_NOISE {
            match timeout_at(deadline, self.step()).await {
                Ok(Ok(())) => self.events.clear(),
                _ => return,
            }
        }
    }
}
