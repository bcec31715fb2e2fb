//! Runs a command in a container by either way. The way is opened before the payment is settled,
//! so that a stopped container or a terminal in use costs nothing; once the command was sent by one
//! way, the other one is never tried.

use std::time::Duration;

use ::guest::{CommandRequest, Guest, OpenedCommand};
use api_types::GuestRoute;
use pve::{ExecError, ExecOutcome, OutputSink, Shell, TerminalError};

use super::connect::{self, NoSsh};
use crate::{
    error::ApiError, lease::container::locate, proxmox::first_contact, state::App, store::Lease,
};

/// How long to wait for other commands in the container's terminal.
const TERMINAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A command for a container.
#[derive(Debug, Clone, Default)]
pub struct GuestCommand {
    /// What the container's `sh` reads.
    pub script: String,
    /// Its standard input.
    pub stdin: Vec<u8>,
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
    /// The folder that it runs in.
    pub cwd: Option<String>,
    /// The user that it runs as; root if none.
    pub user: Option<String>,
    /// When to end it.
    pub timeout: Duration,
    /// How much of each output is returned, in bytes.
    pub limit_bytes: usize,
}

impl GuestCommand {
    /// Whether only SSH can do it: a terminal has no input beside what is typed, and knows no
    /// other user.
    pub fn needs_ssh(&self) -> bool {
        !self.stdin.is_empty() || !self.env.is_empty() || self.cwd.is_some() || self.user.is_some()
    }
}

/// How a command is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpeningOptions {
    /// It needs SSH for a reason beside its own members.
    pub needs_ssh: bool,
    /// Its output goes to a client while it runs, who may be slow.
    pub streamed: bool,
    /// A program that was left running in the terminal is ended.
    pub force: bool,
}

/// A way that is open for one command.
#[derive(Debug)]
pub enum CommandChannel {
    /// A session of the container's SSH server.
    Ssh(Box<OpenedCommand>),
    /// The container's terminal, with its lock guard.
    Terminal(Box<Shell>),
}

/// Opens a way for a command: SSH, or else the terminal. A user or folder that the container does
/// not have is found out here, before money moves.
///
/// # Errors
/// The container does not run, the command needs SSH and there is none, the terminal is in use, or
/// the container lacks the command's user or folder.
pub async fn open(
    app: &App,
    lease: &Lease,
    command: &GuestCommand,
    options: OpeningOptions,
) -> Result<CommandChannel, ApiError> {
    let needs_ssh = options.needs_ssh || command.needs_ssh();
    // A container that does not run refuses connections; that is no obstacle to remember.
    let location = first_contact(locate::find_for_sale(app, lease)).await?;
    match connect::ssh(app, lease).await {
        Ok(guest) => match guest.open_command(options.streamed).await {
            Ok(opened) => {
                check_surroundings(&guest, command).await?;
                return Ok(CommandChannel::Ssh(Box::new(opened)));
            }
            Err(error) if needs_ssh => return Err(error.into()),
            Err(error) => {
                tracing::warn!(lease.id = lease.lease_id.as_str(), %error, "no SSH session can be opened; the terminal is used");
            }
        },
        Err(NoSsh::Full) => return Err(::guest::GuestError::TooMany.into()),
        Err(NoSsh::Obstacle(obstacle)) if needs_ssh => {
            return Err(connect::refusal(app, lease, obstacle).await);
        }
        Err(NoSsh::Obstacle(_)) => {}
    }
    let consoles = &app.proxmox.consoles;
    let shell = consoles.shell(
        &location.node,
        location.vmid,
        options.force,
        TERMINAL_TIMEOUT,
    );
    let shell = shell.await.inspect_err(|error| {
        // Off, it could not answer by SSH either; what was found out says nothing.
        if matches!(error, ExecError::Terminal(TerminalError::NotRunning)) {
            app.guest_routes.forget(&lease.lease_id);
        }
    });
    Ok(CommandChannel::Terminal(Box::new(shell?)))
}

/// Runs nothing with the command's user and folder, if it names them.
async fn check_surroundings(guest: &Guest, command: &GuestCommand) -> Result<(), ApiError> {
    if command.cwd.is_none() && command.user.is_none() {
        return Ok(());
    }
    let request = CommandRequest {
        cwd: command.cwd.clone(),
        user: command.user.clone(),
        ..CommandRequest::new(":")
    };
    guest.open_command(false).await?.run(request, None).await?;
    Ok(())
}

impl CommandChannel {
    /// The way.
    pub fn route(&self) -> GuestRoute {
        match self {
            Self::Ssh(_) => GuestRoute::Ssh,
            Self::Terminal(_) => GuestRoute::Terminal,
        }
    }

    /// The Proxmox task that serves it.
    pub fn task(&self) -> Option<&pve::Upid> {
        match self {
            Self::Ssh(_) => None,
            Self::Terminal(shell) => shell.task(),
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// It has no outcome; [`CommandFailure::may_have_run`] says whether it may have begun.
    pub async fn run(
        self,
        command: GuestCommand,
        output: Option<OutputSink>,
    ) -> Result<ExecOutcome, CommandFailure> {
        let via = match self.route() {
            GuestRoute::Ssh => "ssh",
            GuestRoute::Terminal => "terminal",
        };
        metrics::counter!("commands_total", "via" => via).increment(1);
        match self {
            Self::Terminal(shell) => {
                let request = pve::ExecRequest {
                    timeout: command.timeout,
                    limit_bytes: command.limit_bytes,
                    ..pve::ExecRequest::new(command.script)
                };
                shell.run(request, output).await.map_err(|error| {
                    let may_have_run = error.may_have_executed();
                    CommandFailure {
                        error: error.into(),
                        may_have_run,
                    }
                })
            }
            Self::Ssh(opened) => {
                let request = CommandRequest {
                    script: command.script.into_bytes(),
                    stdin: command.stdin,
                    env: command.env,
                    cwd: command.cwd,
                    user: command.user,
                    timeout: command.timeout,
                    limit_bytes: command.limit_bytes,
                };
                let output = output.map(|output| {
                    ::guest::OutputSink::new(move |stream, bytes| {
                        output.send(
                            match stream {
                                ::guest::OutputStream::Stdout => pve::OutputStream::Stdout,
                                ::guest::OutputStream::Stderr => pve::OutputStream::Stderr,
                            },
                            bytes,
                        );
                    })
                });
                let outcome = opened.run(request, output).await.map_err(|error| {
                    let may_have_run = error.may_have_run();
                    CommandFailure {
                        error: error.into(),
                        may_have_run,
                    }
                })?;
                Ok(ExecOutcome {
                    stdout: outcome.stdout,
                    stderr: outcome.stderr,
                    exit_code: outcome.exit_code,
                    timed_out: outcome.timed_out,
                    truncated: outcome.truncated,
                    stdout_bytes: outcome.stdout_bytes,
                    stderr_bytes: outcome.stderr_bytes,
                })
            }
        }
    }
}

/// Why a command has no outcome.
#[derive(Debug)]
pub struct CommandFailure {
    /// The reason, for the customer.
    pub error: ApiError,
    /// Whether it may have run, in part or in whole.
    pub may_have_run: bool,
}
