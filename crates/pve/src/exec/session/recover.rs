//! After a lost connection: what became of a script that was started. A shell that still runs it, or
//! waits with its report, goes on; one that has ended has left the report in the container.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Failure, INTERRUPT, Limits, NOISE, Passed, QUIET, Session, Sink, Source, outcome};
use crate::exec::ExecOutcome;
use crate::exec::parse::{Event, Report};
use crate::exec::script::{self, Plan};

/// How long a shell may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// What was found out.
#[derive(Debug)]
pub(crate) enum Recovered {
    /// It has ended, and this is what it did.
    Outcome(ExecOutcome),
    /// It did not begin, and will not.
    NeverBegan,
    /// Its outcome cannot be found out, for this reason.
    Unknown(&'static str),
}

/// What a terminal showed.
enum Shown {
    Report(Report),
    /// A shell that listens; it is not the one that runs the script.
    Shell,
    NeverBegan,
    Unfinished {
        begun: bool,
    },
    /// Nothing in time, or more than is worth reading.
    Nothing,
}

impl<R: Source, W: Sink> Session<R, W> {
    /// Finds out in a new connection what became of a script. Waits for as long as it may run.
    pub(crate) async fn recover(
        source: R,
        sink: W,
        plan: &Plan<'_>,
        limits: &Limits,
        passed: &mut Passed<'_>,
    ) -> Result<Recovered, Failure> {
        passed.wait_for_report();
        let mut session = Self::new(source, sink, plan.nonce.clone());
        session.parser.expect_report(plan.limit_bytes);
        let shown = session.look(plan, limits).await?;
        session.parser.expect_nothing();
        Ok(match shown {
            Shown::Report(report) => {
                passed.rest(&report);
                Recovered::Outcome(outcome(report, limits))
            }
            Shown::NeverBegan => Recovered::NeverBegan,
            Shown::Unfinished { begun: true } => {
                Recovered::Unknown("it was begun and was ended before it could report")
            }
            Shown::Unfinished { begun: false } => {
                Recovered::Unknown("its files are gone from the container")
            }
            Shown::Shell | Shown::Nothing => {
                Recovered::Unknown("the container's terminal does not answer")
            }
        })
    }

    async fn look(&mut self, plan: &Plan<'_>, limits: &Limits) -> Result<Shown, Failure> {
        // A terminal that is being set up loses what is typed.
        let quiet = Instant::now() + 2 * QUIET;
        let mut shown = self.shown_until(quiet, limits).await?;
        if matches!(shown, Shown::Nothing) {
            // A shell that waits with its report prints it at whatever is typed, as does one that
            // still runs the script, in the end.
            self.to_type.push_back(script::probe(plan.nonce).into());
            let deadline = limits.deadline().max(Instant::now() + ANSWER);
            shown = self.shown_until(deadline, limits).await?;
        }
        if matches!(shown, Shown::Nothing) {
            self.to_type.clear();
            self.to_type.push_back(INTERRUPT.into());
            self.to_type.push_back(script::probe(plan.nonce).into());
            shown = self.shown_until(Instant::now() + ANSWER, limits).await?;
        }
        match shown {
            Shown::Shell => self.inspect(plan, limits).await,
            Shown::Report(report) => {
                self.leave().await;
                Ok(Shown::Report(report))
            }
            Shown::NeverBegan => {
                self.leave().await;
                Ok(Shown::NeverBegan)
            }
            other => Ok(other),
        }
    }

    /// Asks a shell that listens.
    async fn inspect(&mut self, plan: &Plan<'_>, limits: &Limits) -> Result<Shown, Failure> {
        self.type_in(script::inspect(plan));
        let shown = loop {
            match self.shown_until(Instant::now() + ANSWER, limits).await? {
                // An answer to what was typed before.
                Shown::Shell => {}
                shown => break shown,
            }
        };
        let end = match shown {
            // What may still be running needs its files.
            Shown::Unfinished { begun: true } => script::LEAVE,
            _ => script::FORGET_AND_LEAVE,
        };
        self.to_type.push_back(end.into());
        self.see_the_end().await;
        Ok(shown)
    }

    /// The first thing of the script's that is shown.
    async fn shown_until(&mut self, deadline: Instant, limits: &Limits) -> Result<Shown, Failure> {
        self.received = 0;
        loop {
            while let Some(event) = self.events.pop_front() {
                match event {
                    Event::Report(report) => return Ok(Shown::Report(report)),
                    Event::Ready => return Ok(Shown::Shell),
                    Event::NeverBegan | Event::SetupFailed => return Ok(Shown::NeverBegan),
                    Event::Unfinished { begun } => return Ok(Shown::Unfinished { begun }),
                    Event::Garbled => self.type_in(script::PRINT_AGAIN.to_owned()),
                    _ => {}
                }
            }
            if self.is_over() {
                return Err(Failure::Dying);
            }
            if self.received > limits.most + NOISE {
                return Ok(Shown::Nothing);
            }
            match timeout_at(deadline, self.step()).await {
                Ok(step) => step?,
                Err(_) => return Ok(Shown::Nothing),
            }
        }
    }
}
