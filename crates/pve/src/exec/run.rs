//! From lock to release: a shell that was found in a container's terminal, and the script that it runs.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::exec::script::Plan;
use crate::exec::session::{Failure, Limits, Passed, Recovered, Session};
use crate::exec::{ExecError, ExecOutcome, ExecRequest, MAX_SCRIPT, OutputSink};
use crate::ids::{NodeName, Vmid};
use crate::terminal::{
    ConsoleGuard, ConsoleUse, Consoles, Terminal, TerminalError, TerminalReader, TerminalWriter,
};
use crate::upid::Upid;

/// Wide, so that nothing that is typed is wrapped.
const SIZE: (u16, u16) = (200, 50);
/// New sessions opened when the one found was just ending.
const RETRIES: u32 = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// The longest between two tries after a lost session.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For how long the terminal is tried to be had again after a lost session.
const RECONNECT: Duration = Duration::from_secs(60);

/// A shell that waits for its script, and the right to the container's terminal. Dropping it ends the session in good order.
#[derive(Debug)]
pub struct Shell(Option<Held>);

#[derive(Debug)]
struct Held {
    session: Session<TerminalReader, TerminalWriter>,
    task: Option<Upid>,
    place: Place,
    _guard: ConsoleGuard,
}

/// Where to open the terminal again.
#[derive(Debug)]
struct Place {
    consoles: Consoles,
    node: NodeName,
    vmid: Vmid,
}

impl Held {
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
            let plan = Plan::new(&nonce, request, output.is_some());
            let failure = match self.session.upload(&plan, left.as_ref()).await {
                Ok(()) => match self.run_uploaded(&plan, output).await? {
                    Some(outcome) => return Ok(outcome),
                    None => Failure::Dying,
                },
                Err(failure) => failure,
            };
            match failure {
                Failure::Error(error) => return Err(error),
                Failure::Dying if tries < RETRIES => tries += 1,
                Failure::Dying => return Err(ends_again()),
            }
            sleep(RETRY_PAUSE).await;
            let Place {
                consoles,
                node,
                vmid,
            } = &self.place;
            // By force: what is left in the terminal is a script that was written in part.
            (self.session, self.task) = consoles.find(node, *vmid, true).await?;
            left = Some(nonce);
        }
    }

    /// Runs the script that was written; nothing if it surely did not begin.
    async fn run_uploaded(
        &mut self,
        plan: &Plan<'_>,
        output: Option<&OutputSink>,
    ) -> Result<Option<ExecOutcome>, ExecError> {
        let limits = Limits::from_now(plan);
        let mut passed = Passed::to(output);
        let lost = match self.session.run(plan, &limits, &mut passed).await {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(ExecError::Lost(lost)) => lost,
            Err(error) => return Err(error),
        };
        tracing::warn!(vmid = %self.place.vmid, cause = lost, "a command's session was lost");
        match self.place.recover(plan, &limits, &mut passed).await {
            Recovered::Outcome(outcome) => Ok(Some(outcome)),
            Recovered::NeverBegan => Ok(None),
            Recovered::Unknown(why) => Err(ExecError::Lost(format!("{lost}; {why}"))),
        }
    }
}

impl Place {
    /// Remembers where a command may still have the terminal, so that the next one ends it.
    fn note_end(&self, error: Option<&ExecError>) {
        let left = !matches!(
            error,
            None | Some(ExecError::Setup | ExecError::TooLarge(_))
        );
        self.consoles.set_left_behind(self.vmid, left);
    }

    /// Finds out what became of a script whose session was lost, in new ones.
    async fn recover(
        &self,
        plan: &Plan<'_>,
        limits: &Limits,
        passed: &mut Passed<'_>,
    ) -> Recovered {
        let mut had = Instant::now();
        let mut pause = RETRY_PAUSE;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.terminal().await {
                Ok(terminal) => {
                    let (reader, writer) = terminal.split();
                    let found = Session::recover(reader, writer, plan, limits, passed).await;
                    if let Ok(recovered) = found {
                        return recovered;
                    }
                    // Lost again, but it could be had, in the time that the script has.
                    if Instant::now() < limits.deadline() {
                        had = Instant::now();
                    }
                }
                Err(TerminalError::NotRunning) => {
                    return Recovered::Unknown("the container was stopped");
                }
                Err(_) => {}
            }
            if had.elapsed() > RECONNECT {
                return Recovered::Unknown("its terminal cannot be reached");
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

    /// Runs a script; with `output`, its output is passed on while it runs, and the outcome holds it all the same. Goes on to
    /// its end when the caller stops waiting. `force` and `patience` of the request are of no more use here.
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
            held.place.note_end(outcome.as_ref().err());
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
type Found = (Session<TerminalReader, TerminalWriter>, Option<Upid>);

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
    /// Runs a script in a running container; see [`Consoles::shell`] and [`Shell::run`]. Goes on to its end when the caller
    /// stops waiting.
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
                .shell(&node, vmid, request.force, request.patience)
                .await?;
            shell.run(request, output).await
        });
        finished(work).await
    }

    /// Finds a shell in a running container's terminal, and holds it: everything that can be refused is refused here, before
    /// anything has run. Waits up to `patience` for other commands; with `force`, ends what somebody left running there.
    ///
    /// # Errors
    /// [`ExecError`], but neither `Setup` nor `Lost`.
    pub async fn shell(
        &self,
        node: &NodeName,
        vmid: Vmid,
        force: bool,
        patience: Duration,
    ) -> Result<Shell, ExecError> {
        let guard = self
            .locks()
            .acquire(node, vmid, ConsoleUse::Exec, patience)
            .await?;
        let (consoles, node) = (self.clone(), node.clone());
        // In a task of its own, so that a caller who goes away leaves no terminal half set up.
        let work = tokio::spawn(async move {
            if !consoles.client().container(&node, vmid).await?.is_running() {
                return Err(TerminalError::NotRunning.into());
            }
            let force = force || consoles.has_left_behind(vmid);
            let (session, task) = consoles.find(&node, vmid, force).await?;
            consoles.set_left_behind(vmid, false);
            Ok(Shell(Some(Held {
                session,
                task,
                place: Place {
                    consoles,
                    node,
                    vmid,
                },
                _guard: guard,
            })))
        });
        finished(work).await
    }

    /// Ends what a lost command of ours has left in a container's terminal, which would be mute.
    pub(crate) async fn end_left_behind(&self, node: &NodeName, vmid: Vmid) {
        if let Ok((mut session, _)) = self.find(node, vmid, true).await {
            session.leave().await;
            self.set_left_behind(vmid, false);
        }
    }

    async fn find(&self, node: &NodeName, vmid: Vmid, force: bool) -> Result<Found, ExecError> {
        let mut tries = 0;
        loop {
            match self.find_once(node, vmid, force).await {
                Ok(found) => return Ok(found),
                Err(Failure::Error(error)) => return Err(error),
                Err(Failure::Dying) if tries < RETRIES => {
                    tries += 1;
                    sleep(RETRY_PAUSE).await;
                }
                Err(Failure::Dying) => return Err(ends_again()),
            }
        }
    }

    async fn find_once(&self, node: &NodeName, vmid: Vmid, force: bool) -> Result<Found, Failure> {
        let terminal = self.terminal(node, vmid, SIZE).await?;
        let task = terminal.task().cloned();
        let (reader, writer) = terminal.split();
        Ok((Session::find(reader, writer, force).await?, task))
    }
}
