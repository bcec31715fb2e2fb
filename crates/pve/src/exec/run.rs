//! Runs a script under the container's lock: finds a shell in the terminal, uploads the script,
//! runs it, and reconnects where the connection is lost.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::exec::script::ScriptPlan;
use crate::exec::session::{
    PassedOutput, RecoveredScript, RunLimits, ScriptSession, SessionFailure,
};
use crate::exec::{ExecError, ExecOutcome, ExecRequest, MAX_SCRIPT, OutputSink};
use crate::ids::{NodeName, Vmid};
use crate::terminal::{
    ConsoleUse, Consoles, Terminal, TerminalError, TerminalLockGuard, TerminalReader,
    TerminalWriter,
};
use crate::upid::Upid;

/// Wide, so that typed text is not wrapped.
const SIZE: (u16, u16) = (200, 50);
/// New sessions opened when the one found was just ending.
const RETRIES: u32 = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two tries after a lost session.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long to try to open the terminal again after a lost session.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// A shell that waits for its script, with the lock guard of the container's terminal. Dropping it
/// ends the session in good order.
#[derive(Debug)]
pub struct Shell(Option<HeldTerminal>);

#[derive(Debug)]
struct HeldTerminal {
    session: ScriptSession<TerminalReader, TerminalWriter>,
    task: Option<Upid>,
    location: TerminalLocation,
    _guard: TerminalLockGuard,
}

/// Where to open the terminal again.
#[derive(Debug)]
struct TerminalLocation {
    consoles: Consoles,
    node: NodeName,
    vmid: Vmid,
}

impl HeldTerminal {
    /// Writes the script and runs it, in a new session where this one is lost before it has begun.
    async fn run(
        &mut self,
        request: &ExecRequest,
        output: Option<&OutputSink>,
    ) -> Result<ExecOutcome, ExecError> {
        let mut tries = 0;
        let mut left = None;
        loop {
            let nonce = self.session.nonce();
            let plan = ScriptPlan::new(&nonce, request, output.is_some());
            let failure = match self.session.upload(&plan, left.as_ref()).await {
                Ok(()) => match self.run_uploaded(&plan, output).await? {
                    Some(outcome) => return Ok(outcome),
                    None => SessionFailure::Dying,
                },
                Err(failure) => failure,
            };
            match failure {
                SessionFailure::Error(error) => return Err(error),
                SessionFailure::Dying if tries < RETRIES => tries += 1,
                SessionFailure::Dying => return Err(ends_again()),
            }
            sleep(RETRY_PAUSE).await;
            let TerminalLocation {
                consoles,
                node,
                vmid,
            } = &self.location;
            // By force: what is left in the terminal is a script that was written in part.
            (self.session, self.task) = consoles.find(node, *vmid, true).await?;
            left = Some(nonce);
        }
    }

    /// Runs the script that was written; nothing if it surely did not begin.
    async fn run_uploaded(
        &mut self,
        plan: &ScriptPlan<'_>,
        output: Option<&OutputSink>,
    ) -> Result<Option<ExecOutcome>, ExecError> {
        let limits = RunLimits::from_now(plan);
        let mut passed = PassedOutput::new(output);
        let lost = match self.session.run(plan, &limits, &mut passed).await {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(ExecError::Lost(lost)) => lost,
            Err(error) => return Err(error),
        };
        tracing::warn!(vmid = %self.location.vmid, error = lost, "the session of a command was lost");
        match self.location.recover(plan, &limits, &mut passed).await {
            RecoveredScript::Outcome(outcome) => Ok(Some(outcome)),
            RecoveredScript::NeverBegan => Ok(None),
            RecoveredScript::Unknown(why) => Err(ExecError::Lost(format!("{lost}; {why}"))),
        }
    }
}

impl TerminalLocation {
    /// Records whether the command may still run in the terminal, so that the next one ends it.
    fn record_end(&self, error: Option<&ExecError>) {
        let left = !matches!(
            error,
            None | Some(ExecError::Setup | ExecError::TooLarge(_))
        );
        self.consoles.set_left_behind(self.vmid, left);
    }

    /// Finds out the outcome of a script whose session was lost, in new sessions.
    async fn recover(
        &self,
        plan: &ScriptPlan<'_>,
        limits: &RunLimits,
        passed: &mut PassedOutput<'_>,
    ) -> RecoveredScript {
        let mut had = Instant::now();
        let mut pause = RETRY_PAUSE;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
            match self.terminal().await {
                Ok(terminal) => {
                    let (reader, writer) = terminal.split();
                    let found = ScriptSession::recover(reader, writer, plan, limits, passed).await;
                    if let Ok(recovered) = found {
                        return recovered;
                    }
                    // Lost again, but it could be opened while the script may run.
                    if Instant::now() < limits.deadline() {
                        had = Instant::now();
                    }
                }
                Err(TerminalError::NotRunning) => {
                    return RecoveredScript::Unknown("the container was stopped");
                }
                Err(_) => {}
            }
            if had.elapsed() > RECONNECT_TIMEOUT {
                return RecoveredScript::Unknown("its terminal cannot be reached");
            }
        }
    }

    async fn terminal(&self) -> Result<Terminal, TerminalError> {
        let Self {
            consoles,
            node,
            vmid,
        } = self;
        if !consoles.client().container(node, *vmid).await?.is_running() {
            return Err(TerminalError::NotRunning);
        }
        consoles.terminal(node, *vmid, SIZE).await
    }
}

impl Shell {
    /// The task on the node that serves the terminal, where the host has named it.
    pub fn task(&self) -> Option<&Upid> {
        self.0.as_ref().and_then(|held| held.task.as_ref())
    }

    /// Runs a script; with `output`, its output is passed on while it runs, and the outcome holds
    /// it too. Continues to its end when the caller stops waiting. `force` and `lock_timeout` of
    /// the request are not used here.
    ///
    /// # Errors
    /// [`ExecError`]; only [`ExecError::Lost`] leaves open whether the script ran.
    pub async fn run(
        mut self,
        request: ExecRequest,
        output: Option<OutputSink>,
    ) -> Result<ExecOutcome, ExecError> {
        check_size(&request)?;
        let mut held = self.0.take().expect("only a run or the drop takes it");
        let work = tokio::spawn(async move {
            let outcome = held.run(&request, output.as_ref()).await;
            held.location.record_end(outcome.as_ref().err());
            drop(held);
            outcome
        });
        finished(work).await
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let Some(mut held) = self.0.take() else {
            return;
        };
        // Without a runtime the connections end with the process.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                held.session.leave().await;
                drop(held);
            });
        }
    }
}

/// A session, and the task on the node that serves it.
type FoundSession = (ScriptSession<TerminalReader, TerminalWriter>, Option<Upid>);

fn ends_again() -> ExecError {
    let why = "the container's session ends again and again".to_owned();
    TerminalError::Lost(why).into()
}

fn check_size(request: &ExecRequest) -> Result<(), ExecError> {
    match request.script.len() {
        length if length > MAX_SCRIPT => Err(ExecError::TooLarge(length)),
        _ => Ok(()),
    }
}

async fn finished<T>(work: tokio::task::JoinHandle<Result<T, ExecError>>) -> Result<T, ExecError> {
    work.await
        .unwrap_or_else(|e| Err(ExecError::Lost(format!("it was cut short: {e}"))))
}

impl Consoles {
    /// Runs a script in a running container; see [`Consoles::shell`] and [`Shell::run`]. Continues
    /// to its end when the caller stops waiting.
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
        check_size(&request)?;
        let (consoles, node) = (self.clone(), node.clone());
        let work = tokio::spawn(async move {
            let shell = consoles
                .shell(&node, vmid, request.force, request.lock_timeout)
                .await?;
            shell.run(request, output).await
        });
        finished(work).await
    }

    /// Finds a shell in a running container's terminal, and holds it: all refusals happen here,
    /// before the script runs. Waits up to `timeout` for other commands; with `force`, ends the
    /// program that runs there.
    ///
    /// # Errors
    /// [`ExecError`], but neither `Setup` nor `Lost`.
    pub async fn shell(
        &self,
        node: &NodeName,
        vmid: Vmid,
        force: bool,
        timeout: Duration,
    ) -> Result<Shell, ExecError> {
        let guard = self
            .locks()
            .acquire(node, vmid, ConsoleUse::Exec, timeout)
            .await?;
        let (consoles, node) = (self.clone(), node.clone());
        // In a task of its own, so that a cancelled caller leaves no terminal half set up.
        let work = tokio::spawn(async move {
            if !consoles.client().container(&node, vmid).await?.is_running() {
                return Err(TerminalError::NotRunning.into());
            }
            let force = force || consoles.has_left_behind(vmid);
            let (session, task) = consoles.find(&node, vmid, force).await?;
            consoles.set_left_behind(vmid, false);
            Ok(Shell(Some(HeldTerminal {
                session,
                task,
                location: TerminalLocation {
                    consoles,
                    node,
                    vmid,
                },
                _guard: guard,
            })))
        });
        finished(work).await
    }

    /// Ends what a lost command has left in a container's terminal, which would show no prompt.
    pub(crate) async fn end_left_behind(&self, node: &NodeName, vmid: Vmid) {
        if let Ok((mut session, _)) = self.find(node, vmid, true).await {
            session.leave().await;
            self.set_left_behind(vmid, false);
        }
    }

    async fn find(
        &self,
        node: &NodeName,
        vmid: Vmid,
        force: bool,
    ) -> Result<FoundSession, ExecError> {
        let mut tries = 0;
        loop {
            match self.find_once(node, vmid, force).await {
                Ok(found) => return Ok(found),
                Err(SessionFailure::Error(error)) => return Err(error),
                Err(SessionFailure::Dying) if tries < RETRIES => {
                    tries += 1;
                    sleep(RETRY_PAUSE).await;
                }
                Err(SessionFailure::Dying) => return Err(ends_again()),
            }
        }
    }

    async fn find_once(
        &self,
        node: &NodeName,
        vmid: Vmid,
        force: bool,
    ) -> Result<FoundSession, SessionFailure> {
        let terminal = self.terminal(node, vmid, SIZE).await?;
        let task = terminal.task().cloned();
        let (reader, writer) = terminal.split();
        Ok((ScriptSession::find(reader, writer, force).await?, task))
    }
}
