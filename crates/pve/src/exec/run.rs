//! A command from lock to release.

use std::time::Duration;

use tokio::time::sleep;

use crate::exec::session::{Failure, converse};
use crate::exec::{ExecError, ExecOutcome, ExecRequest, MAX_SCRIPT, OutputSink};
use crate::ids::{NodeName, Vmid};
use crate::terminal::{ConsoleUse, Consoles, TerminalError};

/// Wide, so that nothing that is typed is wrapped.
const SIZE: (u16, u16) = (200, 50);
/// New sessions opened when the one found was just ending.
const RETRIES: u32 = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

impl Consoles {
    /// Runs a script in a running container. With `output`, its output is passed on while it runs, and the outcome
    /// holds it all the same. Goes on to its end when the caller stops waiting, so that the container's terminal is
    /// left in order.
    ///
    /// # Errors
    /// [`ExecError`]; only [`ExecError::Lost`] leaves open whether the script ran.
    pub async fn exec(
        &self,
        node: &NodeName,
        vmid: Vmid,
        request: ExecRequest,
        output: Option<OutputSink>,
    ) -> Result<ExecOutcome, ExecError> {
        if request.script.len() > MAX_SCRIPT {
            return Err(ExecError::TooLarge(request.script.len()));
        }
        let guard = self
            .locks()
            .acquire(node, vmid, ConsoleUse::Exec, request.patience)
            .await?;
        let (consoles, node) = (self.clone(), node.clone());
        let work = tokio::spawn(async move {
            let result = consoles
                .exec_locked(&node, vmid, &request, output.as_ref())
                .await;
            drop(guard);
            result
        });
        work.await
            .unwrap_or_else(|e| Err(ExecError::Lost(format!("it was cut short: {e}"))))
    }

    async fn exec_locked(
        &self,
        node: &NodeName,
        vmid: Vmid,
        request: &ExecRequest,
        output: Option<&OutputSink>,
    ) -> Result<ExecOutcome, ExecError> {
        if !self.client().container(node, vmid).await?.is_running() {
            return Err(TerminalError::NotRunning.into());
        }
        for _ in 0..RETRIES {
            match self.exec_once(node, vmid, request, output).await {
                Err(Failure::Dying) => sleep(RETRY_PAUSE).await,
                Err(Failure::Error(error)) => return Err(error),
                Ok(outcome) => return Ok(outcome),
            }
        }
        self.exec_once(node, vmid, request, output)
            .await
            .map_err(|failure| match failure {
                Failure::Dying => {
                    TerminalError::Lost("the container's session ends again and again".to_owned())
                        .into()
                }
                Failure::Error(error) => error,
            })
    }

    async fn exec_once(
        &self,
        node: &NodeName,
        vmid: Vmid,
        request: &ExecRequest,
        output: Option<&OutputSink>,
    ) -> Result<ExecOutcome, Failure> {
        let (mut reader, writer) = self.terminal(node, vmid, SIZE).await?.split();
        converse(&mut reader, &writer, request, output).await
    }
}
