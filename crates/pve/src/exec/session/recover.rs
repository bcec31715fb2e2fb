//! Recovers the outcome of a script after a lost connection. A shell that still runs it or waits
//! with its report continues; one that has ended has left the report in the container.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{
    ByteSink, ByteSource, INTERRUPT, MAX_NOISE, PassedOutput, QUIET_TIME, RunLimits, ScriptSession,
    SessionFailure, outcome,
};
use crate::exec::ExecOutcome;
use crate::exec::parse::{ParserEvent, ScriptReport};
use crate::exec::script::{self, ScriptPlan};

/// How long a shell may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// The outcome of a script whose session was lost.
#[derive(Debug)]
pub(crate) enum RecoveredScript {
    /// It has ended with this outcome.
    Outcome(ExecOutcome),
    /// It did not begin, and will not.
    NeverBegan,
    /// Its outcome cannot be found out, for this reason.
    Unknown(&'static str),
}

/// What a terminal showed.
enum ShownResult {
    Report(ScriptReport),
    /// A shell that listens; it is not the one that runs the script.
    Shell,
    NeverBegan,
    Unfinished {
        begun: bool,
    },
    /// Nothing in time, or more than is read.
    Nothing,
}

impl<R: ByteSource, W: ByteSink> ScriptSession<R, W> {
    /// Finds out the outcome of a script in a new connection. Waits for as long as it may run.
    pub(crate) async fn recover(
        source: R,
        sink: W,
        plan: &ScriptPlan<'_>,
        limits: &RunLimits,
        passed: &mut PassedOutput<'_>,
    ) -> Result<RecoveredScript, SessionFailure> {
        passed.wait_for_report();
        let mut session = Self::new(source, sink, plan.nonce.clone());
        session.parser.expect_report(plan.limit_bytes);
        let shown = session.ask_for_result(plan, limits).await?;
        session.parser.expect_nothing();
        Ok(match shown {
            ShownResult::Report(report) => {
                passed.rest(&report);
                RecoveredScript::Outcome(outcome(report, limits))
            }
            ShownResult::NeverBegan => RecoveredScript::NeverBegan,
            ShownResult::Unfinished { begun: true } => {
                RecoveredScript::Unknown("it was begun and was ended before it could report")
            }
            ShownResult::Unfinished { begun: false } => {
                RecoveredScript::Unknown("its files are gone from the container")
            }
            ShownResult::Shell | ShownResult::Nothing => {
                RecoveredScript::Unknown("the container's terminal does not answer")
            }
        })
    }

    async fn ask_for_result(
        &mut self,
        plan: &ScriptPlan<'_>,
        limits: &RunLimits,
    ) -> Result<ShownResult, SessionFailure> {
        // A terminal that is being set up loses what is typed.
        let quiet = Instant::now() + 2 * QUIET_TIME;
        let mut shown = self.shown_until(quiet, limits).await?;
        if matches!(shown, ShownResult::Nothing) {
            // A shell that waits with its report prints it after any typed text; a shell that still
            // runs the script does so when the script ends.
            self.to_type.push_back(script::probe(plan.nonce).into());
            let deadline = limits.deadline().max(Instant::now() + ANSWER_TIMEOUT);
            shown = self.shown_until(deadline, limits).await?;
        }
        if matches!(shown, ShownResult::Nothing) {
            self.to_type.clear();
            self.to_type.push_back(INTERRUPT.into());
            self.to_type.push_back(script::probe(plan.nonce).into());
            shown = self
                .shown_until(Instant::now() + ANSWER_TIMEOUT, limits)
                .await?;
        }
        match shown {
            ShownResult::Shell => self.inspect(plan, limits).await,
            ShownResult::Report(report) => {
                self.leave().await;
                Ok(ShownResult::Report(report))
            }
            ShownResult::NeverBegan => {
                self.leave().await;
                Ok(ShownResult::NeverBegan)
            }
            other => Ok(other),
        }
    }

    /// Asks a listening shell about the script.
    async fn inspect(
        &mut self,
        plan: &ScriptPlan<'_>,
        limits: &RunLimits,
    ) -> Result<ShownResult, SessionFailure> {
        self.type_in(script::inspect(plan));
        let shown = loop {
            match self
                .shown_until(Instant::now() + ANSWER_TIMEOUT, limits)
                .await?
            {
                // An answer to what was typed before.
                ShownResult::Shell => {}
                shown => break shown,
            }
        };
        let end = match shown {
            // What may still be running needs its files.
            ShownResult::Unfinished { begun: true } => script::LEAVE,
            _ => script::FORGET_AND_LEAVE,
        };
        self.to_type.push_back(end.into());
        self.await_end().await;
        Ok(shown)
    }

    /// The first result about the script that is shown.
    async fn shown_until(
        &mut self,
        deadline: Instant,
        limits: &RunLimits,
    ) -> Result<ShownResult, SessionFailure> {
        self.received = 0;
        loop {
            while let Some(event) = self.events.pop_front() {
                match event {
                    ParserEvent::Report(report) => return Ok(ShownResult::Report(report)),
                    ParserEvent::Ready => return Ok(ShownResult::Shell),
                    ParserEvent::NeverBegan | ParserEvent::SetupFailed => {
                        return Ok(ShownResult::NeverBegan);
                    }
                    ParserEvent::Unfinished { begun } => {
                        return Ok(ShownResult::Unfinished { begun });
                    }
                    ParserEvent::Garbled => self.type_in(script::PRINT_AGAIN.to_owned()),
                    _ => {}
                }
            }
            if self.is_over() {
                return Err(SessionFailure::Dying);
            }
            if self.received > limits.max_bytes + MAX_NOISE {
                return Ok(ShownResult::Nothing);
            }
            match timeout_at(deadline, self.step()).await {
                Ok(step) => step?,
                Err(_) => return Ok(ShownResult::Nothing),
            }
        }
    }
}
