//! Waits until a terminal is set up, and finds out whether a shell listens there.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Failure, INTERRUPT, NOISE, QUIET, Session, Sink, Source};
use crate::exec::ExecError;
use crate::exec::parse::Event;
use crate::exec::script;
use crate::terminal::TerminalError;

const FIRST_BYTES: Duration = Duration::from_secs(1);
const PROBE: Duration = Duration::from_secs(3);

/// Leaves an editor's insert mode and suspends whatever is in the foreground.
const SUSPEND: &str = "\x1b\x1a";
/// Leaves vi, which suspends only where job control is on.
const LEAVE_VI: &str = "\x1b\x1b:qa!\r";

/// What a terminal turned out to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A shell that listens.
    Shell,
    /// Nothing that answers.
    Quiet,
    /// More than is worth reading.
    Flood,
}

impl<R: Source, W: Sink> Session<R, W> {
    /// Waits for the first screen and then for quiet; what is typed while the terminal is set up may be lost.
    pub(super) async fn settle(&mut self) -> Result<Found, Failure> {
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

    pub(super) async fn find_shell(&mut self, force: bool) -> Result<(), Failure> {
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
    pub(super) async fn probe(&mut self) -> Result<Found, Failure> {
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
}
