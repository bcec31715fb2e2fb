//! Writes a script into the container through the terminal, checked part by part, before any of it
//! runs.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::find::FoundProgram;
use super::{ByteSink, ByteSource, INTERRUPT, MAX_NOISE, ScriptSession, SessionFailure};
use crate::exec::ExecError;
use crate::exec::parse::ParserEvent;
use crate::exec::script::{self, Nonce, ScriptPlan};
use crate::terminal::TerminalError;

/// How long a part of the script may take to be written.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a part that arrives garbled is typed.
const ATTEMPTS: u32 = 3;

impl<R: ByteSource, W: ByteSink> ScriptSession<R, W> {
    /// Writes a script into the container, where nothing of it runs yet. What arrives garbled is
    /// sent again; what an earlier session has `left` is removed.
    pub(crate) async fn upload(
        &mut self,
        plan: &ScriptPlan<'_>,
        left: Option<&Nonce>,
    ) -> Result<(), SessionFailure> {
        self.parser.expect_report(plan.limit_bytes);
        self.type_in(script::setup(&self.nonce, left));
        match self.answer().await? {
            Some(ParserEvent::Listening { echo }) => self.echo = echo,
            Some(_) => return Err(self.setup_failed().await.into()),
            None => return Err(SessionFailure::Dying),
        }
        let (runner, last_part) = (plan.runner(), plan.parts().count() - 1);
        let mut attempt = 0;
        for (index, part) in plan.parts().enumerate() {
            let last = attempt + ATTEMPTS;
            loop {
                if attempt == last {
                    return Err(self.setup_failed().await.into());
                }
                attempt += 1;
                let runner = (index == last_part).then_some(runner.as_str());
                self.type_in(script::upload(&self.nonce, index, attempt, part, runner));
                match self.written(attempt).await? {
                    Some(true) => break,
                    Some(false) => {}
                    None => self.interrupt().await?,
                }
            }
        }
        Ok(())
    }

    /// The next event of a script that is being written; nothing if none comes in time.
    async fn answer(&mut self) -> Result<Option<ParserEvent>, SessionFailure> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.received = 0;
        loop {
            while let Some(event) = self.events.pop_front() {
                if event != ParserEvent::Ready {
                    return Ok(Some(event));
                }
            }
            if self.is_over() {
                return Err(SessionFailure::Dying);
            }
            if self.received > MAX_NOISE {
                return Err(ExecError::Flooded.into());
            }
            match timeout_at(deadline, self.step()).await {
                Ok(Ok(())) => {}
                Ok(Err(TerminalError::Lost(_))) => return Err(SessionFailure::Dying),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Whether the part that was typed at this try is whole; nothing if the shell does not say.
    async fn written(&mut self, tried: u32) -> Result<Option<bool>, SessionFailure> {
        loop {
            match self.answer().await? {
                Some(ParserEvent::Written { attempt, whole }) if attempt == tried => {
                    return Ok(Some(whole));
                }
                // Of a try before.
                Some(ParserEvent::Written { .. }) => {}
                Some(_) => return Ok(Some(false)),
                None => return Ok(None),
            }
        }
    }

    /// Brings a shell that got something garbled back to its prompt.
    async fn interrupt(&mut self) -> Result<(), SessionFailure> {
        self.to_type.clear();
        self.type_in(INTERRUPT.to_owned());
        self.settle().await?;
        match self.probe().await? {
            FoundProgram::Shell => Ok(()),
            FoundProgram::Quiet | FoundProgram::Flood => Err(SessionFailure::Dying),
        }
    }
}
