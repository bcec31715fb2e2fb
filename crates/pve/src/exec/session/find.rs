//! Waits until a terminal is set up, and finds out whether a shell listens there.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{
    ByteSink, ByteSource, INTERRUPT, MAX_NOISE, QUIET_TIME, ScriptSession, SessionFailure,
};
use crate::exec::ExecError;
use crate::exec::parse::ParserEvent;
use crate::exec::script;
use crate::terminal::TerminalError;

const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Leaves an editor's insert mode and suspends whatever is in the foreground.
const SUSPEND: &str = "\x1b\x1a";
/// Leaves vi, which suspends only where job control is on.
const LEAVE_VI: &str = "\x1b\x1b:qa!\r";

/// What runs in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundProgram {
    /// A shell that listens.
    Shell,
    /// Nothing that answers.
    Quiet,
    /// A program that shows more than is read.
    Flood,
}

impl<R: ByteSource, W: ByteSink> ScriptSession<R, W> {
    /// Waits for the first screen and then for quiet; what is typed while the terminal is set up
    /// may be lost.
    pub(super) async fn settle(&mut self) -> Result<FoundProgram, SessionFailure> {
        let longest = Instant::now() + 2 * FIRST_BYTES_TIMEOUT;
        let mut wait = FIRST_BYTES_TIMEOUT;
        self.received = 0;
        while let Ok(step) = timeout_at(longest.min(Instant::now() + wait), self.step()).await {
            step?;
            // Nothing was asked yet, so none of these events is an answer.
            self.events.clear();
            if self.is_over() {
                return Err(SessionFailure::Dying);
            }
            if self.received > MAX_NOISE {
                return Ok(FoundProgram::Flood);
            }
            wait = QUIET_TIME;
        }
        Ok(FoundProgram::Quiet)
    }

    pub(super) async fn find_shell(&mut self, force: bool) -> Result<(), SessionFailure> {
        let mut found = self.settle().await?;
        if found != FoundProgram::Flood || force {
            found = self.probe().await?;
        }
        if found == FoundProgram::Shell {
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
                if found == FoundProgram::Shell {
                    self.to_type
                        .push_back(script::KILL_JOBS.as_bytes().to_vec());
                    return Ok(());
                }
            }
        }
        Err(match found {
            FoundProgram::Flood => ExecError::Flooded.into(),
            FoundProgram::Quiet | FoundProgram::Shell => ExecError::Busy.into(),
        })
    }

    fn asks_for_login(&self) -> bool {
        let line = self.parser.unfinished_line();
        [&b"login:"[..], b"Password:"].iter().any(|prompt| {
            self.shown(prompt) || line.windows(prompt.len()).any(|window| window == *prompt)
        })
    }

    /// Asks whether a shell listens.
    pub(super) async fn probe(&mut self) -> Result<FoundProgram, SessionFailure> {
        self.to_type
            .push_back(script::probe(&self.nonce).into_bytes());
        let deadline = Instant::now() + PROBE_TIMEOUT;
        self.received = 0;
        let mut found = FoundProgram::Quiet;
        while let Ok(step) = timeout_at(deadline, self.step()).await {
            match step {
                Err(TerminalError::Lost(_)) => return Err(SessionFailure::Dying),
                other => other?,
            }
            if self
                .events
                .drain(..)
                .any(|event| event == ParserEvent::Ready)
            {
                return Ok(FoundProgram::Shell);
            }
            if self.is_over() {
                return Err(SessionFailure::Dying);
            }
            if self.received > MAX_NOISE {
                found = FoundProgram::Flood;
                break;
            }
        }
        self.to_type.clear();
        Ok(found)
    }
}
