//! What runs in a session channel: a command or the login shell, on pipes or in a terminal, or
//! SFTP. The client is told the exit status as soon as the program has ended; the channel is
//! closed when nobody holds the program's outputs any more, as OpenSSH does it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, Sig};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::guest::GuestArguments;
use super::handing::ConnectionOrder;
use super::sftp;
use super::shell::{ScreenSize, Terminal, TerminalControl};

/// OpenSSH's program for SFTP, where Debian has it.
const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

/// Bytes that are read from a program at a time.
const BUFFER: usize = 32 << 10;

/// Bytes between a client and the simulator's own SFTP server.
const PIPE: usize = 512 << 10;

/// The channel data type of the standard error.
const STDERR: u32 = 1;

/// What a channel asks for.
pub(super) enum Program {
    /// The login shell.
    Shell,
    /// A command for the login shell.
    Command(Vec<u8>),
    Sftp,
}

/// What is known about a session before its program starts.
pub(super) struct SessionPlan {
    pub(super) environment: Vec<(String, String)>,
    /// The size of the terminal, if there is to be one.
    pub(super) terminal: Option<ScreenSize>,
    own_sftp: bool,
}

/// A session whose program was started.
pub(super) struct RunningSession {
    group: Option<Pid>,
    terminal: Option<TerminalControl>,
    over: Arc<AtomicBool>,
}

/// Where a program's end is reported.
struct Report {
    handle: Handle,
    channel: ChannelId,
    over: Arc<AtomicBool>,
}

impl SessionPlan {
    pub(super) fn new(arguments: &GuestArguments, order: &ConnectionOrder) -> Self {
        let mut environment = arguments.environment();
        let peer = (order.peer.ip(), order.peer.port());
        environment.extend([
            (
                "SSH_CLIENT".to_owned(),
                format!("{} {} {}", peer.0, peer.1, order.port),
            ),
            (
                "SSH_CONNECTION".to_owned(),
                format!("{} {} {} {}", peer.0, peer.1, order.address, order.port),
            ),
        ]);
        Self {
            environment,
            terminal: None,
            own_sftp: order.defects.own_sftp,
        }
    }

    /// Starts the program.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn start(
        self,
        arguments: &GuestArguments,
        program: Program,
        channel: Channel<Msg>,
        handle: Handle,
    ) -> std::io::Result<RunningSession> {
        let report = Report {
            handle,
            channel: channel.id(),
            over: Arc::default(),
        };
        let over = report.over.clone();
        let (shell, _) = arguments.login_shell();
        let mut words: Vec<OsString> = arguments
            .limited(shell)
            .into_iter()
            .map(Into::into)
            .collect();
        match program {
            Program::Shell => words.push("-l".into()),
            Program::Command(command) => {
                words.extend(["-c".into(), OsString::from_vec(command)]);
            }
            Program::Sftp if self.own_sftp || !Path::new(SFTP_SERVER).exists() => {
                let home = arguments.home.clone();
                tokio::spawn(serve_sftp(channel, home, report));
                return Ok(RunningSession {
                    group: None,
                    terminal: None,
                    over,
                });
            }
            Program::Sftp => {
                let server = arguments.limited(vec![SFTP_SERVER.to_owned()]);
                words = server.into_iter().map(Into::into).collect();
            }
        }
        let home = match arguments.home.is_dir() {
            true => arguments.home.as_path(),
            false => Path::new("/"),
        };
        if let Some(size) = self.terminal {
            let terminal = Terminal::begin(&words, &self.environment, home, size)?;
            let control = terminal.control.clone();
            tokio::spawn(serve_terminal(terminal, channel, report));
            return Ok(RunningSession {
                group: Some(control.group()),
                terminal: Some(control),
                over,
            });
        }
        let child = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .envs(self.environment)
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        tokio::spawn(serve_pipes(child, channel, report));
        Ok(RunningSession {
            group: group.and_then(Pid::from_raw),
            terminal: None,
            over,
        })
    }
}

impl RunningSession {
    /// Whether this side has closed the channel.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Sends a signal to the program's process group.
    pub(super) fn signal(&self, signal: &Sig) {
        let signal = match signal {
            Sig::ABRT => Signal::ABORT,
            Sig::ALRM => Signal::ALARM,
            Sig::FPE => Signal::FPE,
            Sig::HUP => Signal::HUP,
            Sig::ILL => Signal::ILL,
            Sig::INT => Signal::INT,
            Sig::KILL => Signal::KILL,
            Sig::PIPE => Signal::PIPE,
            Sig::QUIT => Signal::QUIT,
            Sig::SEGV => Signal::SEGV,
            Sig::TERM => Signal::TERM,
            Sig::USR1 => Signal::USR1,
            Sig::Custom(name) if name == "USR2" => Signal::USR2,
            // OpenSSH ignores the others as well.
            Sig::Custom(_) => return,
        };
        if let Some(group) = self.group {
            // The program may have ended just now.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Changes the size of the terminal.
    pub(super) fn resize(&self, size: ScreenSize) {
        if let Some(terminal) = &self.terminal {
            terminal.resize(size);
        }
    }

    /// What the client's end of the channel means to the program: a terminal hangs up, and what has
    /// none goes on.
    pub(super) fn hang_up(self) {
        if let Some(terminal) = self.terminal {
            terminal.close();
            if !self.over.load(Ordering::Acquire) {
                let _ = self
                    .group
                    .map(|group| kill_process_group(group, Signal::HUP));
            }
        }
    }
}

impl Report {
    async fn exit(&self, status: ExitStatus) {
        // Whoever asked may have gone.
        let _ = match (status.code(), status.signal()) {
            (Some(code), _) => {
                let code = u32::try_from(code).unwrap_or(255);
                self.handle.exit_status_request(self.channel, code).await
            }
            (None, signal) => {
                let name = signal_name(signal.unwrap_or_default());
                let dumped = status.core_dumped();
                let (text, language) = (String::new(), String::new());
                self.handle
                    .exit_signal_request(self.channel, name, dumped, text, language)
                    .await
            }
        };
    }

    async fn end_of_output(&self) {
        let _ = self.handle.eof(self.channel).await;
    }

    async fn close(self) {
        // The place is free before the client can know.
        self.over.store(true, Ordering::Release);
        let _ = self.handle.close(self.channel).await;
    }
}

fn signal_name(number: i32) -> Sig {
    let known = [
        (Signal::ABORT, Sig::ABRT),
        (Signal::ALARM, Sig::ALRM),
        (Signal::FPE, Sig::FPE),
        (Signal::HUP, Sig::HUP),
        (Signal::ILL, Sig::ILL),
        (Signal::INT, Sig::INT),
        (Signal::KILL, Sig::KILL),
        (Signal::PIPE, Sig::PIPE),
        (Signal::QUIT, Sig::QUIT),
        (Signal::SEGV, Sig::SEGV),
        (Signal::TERM, Sig::TERM),
        (Signal::USR1, Sig::USR1),
        (Signal::USR2, Sig::Custom("USR2".into())),
    ];
    let found = known
        .into_iter()
        .find(|(signal, _)| signal.as_raw() == number);
    // OpenSSH's name for all others.
    found.map_or_else(|| Sig::Custom("SIG@openssh.com".into()), |(_, name)| name)
}

async fn serve_pipes(mut child: Child, channel: Channel<Msg>, report: Report) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (input, output) = channel.split();
    let (mut shown, mut errors) = (output.make_writer(), output.make_writer_ext(Some(STDERR)));
    let input = tokio::spawn(feed(input, stdin));
    let outputs = async {
        let copy_output = async {
            if let Some(stdout) = stdout {
                let mut stdout = BufReader::with_capacity(BUFFER, stdout);
                // A client that has gone reads nothing; the pipe is closed then.
                let _ = tokio::io::copy_buf(&mut stdout, &mut shown).await;
            }
        };
        let copy_errors = async {
            if let Some(stderr) = stderr {
                let mut stderr = BufReader::with_capacity(BUFFER, stderr);
                let _ = tokio::io::copy_buf(&mut stderr, &mut errors).await;
            }
        };
        tokio::join!(copy_output, copy_errors);
        report.end_of_output().await;
    };
    let end = async {
        if let Ok(status) = child.wait().await {
            report.exit(status).await;
        }
    };
    tokio::join!(outputs, end);
    report.close().await;
    input.abort();
}

/// Writes what the client sends until it sends no more, and closes the input then. A program that
/// has closed its input gets none of it.
async fn feed(mut channel: ChannelReadHalf, mut program: Option<impl AsyncWrite + Unpin>) {
    while let Some(message) = channel.wait().await {
        match (message, &mut program) {
            (ChannelMsg::Data { data }, Some(input)) => {
                let written = async {
                    input.write_all(&data).await?;
                    input.flush().await
                };
                if written.await.is_err() {
                    program = None;
                }
            }
            (ChannelMsg::Eof, _) => break,
            _ => {}
        }
    }
    if let Some(mut input) = program {
        // It may have been closed by the program.
        let _ = input.shutdown().await;
    }
}

async fn serve_terminal(terminal: Terminal, channel: Channel<Msg>, report: Report) {
    let Terminal {
        control,
        mut screen,
        keys,
        ended,
    } = terminal;
    let (mut input, output) = channel.split();
    let mut writer = output.make_writer();
    let typing = tokio::spawn(async move {
        while let Some(message) = input.wait().await {
            if let ChannelMsg::Data { data } = message
                && keys.send(data).await.is_err()
            {
                break;
            }
        }
    });
    let show = async {
        let mut client_reads = true;
        while let Some(bytes) = screen.recv().await {
            client_reads = client_reads && writer.write_all(&bytes).await.is_ok();
        }
        report.end_of_output().await;
    };
    let end = async {
        if let Ok(status) = ended.await {
            report.exit(status).await;
        }
    };
    tokio::join!(show, end);
    report.close().await;
    typing.abort();
    control.close();
}

async fn serve_sftp(channel: Channel<Msg>, home: PathBuf, report: Report) {
    // A pipe in between, because the channel is to be open when the status is sent.
    let (pipe, served) = tokio::io::duplex(PIPE);
    let (mut answers, requests) = tokio::io::split(pipe);
    let (input, output) = channel.split();
    let mut writer = output.make_writer();
    let input = tokio::spawn(feed(input, Some(requests)));
    let copy_answers = async {
        // A client that has gone reads nothing.
        let _ = tokio::io::copy(&mut answers, &mut writer).await;
    };
    tokio::join!(sftp::serve(served, home), copy_answers);
    report.exit(ExitStatus::from_raw(0)).await;
    report.end_of_output().await;
    report.close().await;
    input.abort();
}
