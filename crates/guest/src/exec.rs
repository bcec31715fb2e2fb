//! Commands in a guest, in two phases: [`Guest::open_command`] makes sure that the guest can be
//! asked, [`OpenedCommand::run`] asks it. Money moves between the two, so the first must have no
//! effect in the guest.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use russh::{ChannelMsg, ChannelReadHalf, Sig};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::channel::OpenChannel;
use crate::command::{CommandOutcome, CommandRequest, OutputSink};
use crate::connection::Connection;
use crate::error::{GuestError, LOST};
use crate::lease::Lease;
use crate::output::Output;
use crate::pool::Guest;
use crate::{script, sftp, signal};

/// A command's exit status is answered after so long a silence of its outputs: a server it left in
/// the background may hold them open.
const SILENCE: Duration = Duration::from_millis(250);
/// The longest wait for that silence.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// From the signals at the time limit to the answer, whatever the guest does.
const ENDING: Duration = Duration::from_secs(6);

/// A command that can be run: the guest was reached and gave it a session.
pub struct OpenedCommand {
    channel: OpenChannel,
    guest: Guest,
}

impl fmt::Debug for OpenedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedCommand")
            .field("lease", &self.guest.target().lease_id)
            .finish()
    }
}

impl Guest {
    /// Reaches the guest and opens a session for a command. Nothing is sent to the guest's shell.
    /// `streamed` gives it a connection of its own.
    ///
    /// # Errors
    /// Those of a connection. Nothing ran.
    pub async fn open_command(&self, streamed: bool) -> Result<OpenedCommand, GuestError> {
        let lease = self.lease();
        let channel = if streamed {
            lease.stream_session().await?
        } else {
            lease.session().await?
        };
        Ok(OpenedCommand {
            channel,
            guest: self.clone(),
        })
    }
}

impl OpenedCommand {
    /// Runs the command, and passes its output on while it runs. Dropping the future ends the
    /// command as its time limit does.
    ///
    /// # Errors
    /// [`GuestError::may_have_run`] says whether it may have run.
    pub async fn run(
        self,
        request: CommandRequest,
        sink: Option<OutputSink>,
    ) -> Result<CommandOutcome, GuestError> {
        let environment = request.check()?;
        let word = script::random_word()?;
        let start = script::Start {
            word: &word,
            cwd: request.cwd.as_deref().unwrap_or_default(),
            user: request.user.as_deref(),
        };
        let mut line = start.with_text(&environment, &request.script);
        let mut staged = None;
        if line.len() > script::MAX_LINE {
            let path = format!("/tmp/.i402-{}", script::random_word()?);
            let text = script::file(&path, &environment, &request.script);
            staged = Some(sftp::StagedFile::write(&self.guest, path, &text).await?);
        }
        if let Some(staged) = &staged {
            line = start.with_file(staged.path());
        }
        let mut running = Running {
            channel: Some(self.channel),
            lease: self.guest.lease(),
            group: None,
            word,
        };
        let result = running.run(line, &request, sink.as_ref()).await;
        match &result {
            // The script removes its own file.
            Ok(_) | Err(GuestError::Lost { may_have_run: true }) => {
                if let Some(staged) = &mut staged {
                    staged.leave();
                }
            }
            Err(_) => {}
        }
        result
    }
}

/// A command under way. Dropping it ends the command.
struct Running {
    channel: Option<OpenChannel>,
    lease: Arc<Lease>,
    /// Its process group in the guest, once it started.
    group: Option<u32>,
    /// The word of its header.
    word: String,
}

impl Running {
    async fn run(
        &mut self,
        line: Vec<u8>,
        request: &CommandRequest,
        sink: Option<&OutputSink>,
    ) -> Result<CommandOutcome, GuestError> {
        let mut output = Output::new(&self.word, request.limit_bytes, sink);
        let ended = self.converse(line, request, &mut output).await;
        if matches!(ended, Err(GuestError::RequestRefused)) {
            self.channel = None;
        }
        let ended = ended?;
        // It ended, so nothing is to be ended in the guest: the channel only closes.
        match ended.exit_code {
            Some(_) if !output.started() && !ended.timed_out => {
                self.channel = None;
                Err(GuestError::NotStarted)
            }
            Some(exit_code) => {
                self.channel = None;
                Ok(output.outcome(exit_code, ended.timed_out))
            }
            None if ended.timed_out => Ok(output.outcome(128 + 9, true)),
            None => Err(GuestError::Lost { may_have_run: true }),
        }
    }

    /// Sends the command and its input, and reads until it ended.
    async fn converse(
        &mut self,
        line: Vec<u8>,
        request: &CommandRequest,
        output: &mut Output<'_>,
    ) -> Result<Ended, GuestError> {
        let channel = self.channel.as_mut().expect("taken at the end");
        let (lease, connection) = (&self.lease, channel.connection());
        let (read, write) = channel.halves();
        write.exec(true, line).await.map_err(|_| LOST)?;
        let input = async {
            if !request.stdin.is_empty() {
                write.data_bytes(request.stdin.clone()).await?;
            }
            write.eof().await
        };
        tokio::pin!(input);
        let mut input_ended = false;
        let mut ended = Ended::default();
        let limit = sleep(request.timeout);
        tokio::pin!(limit);
        // Both are set with the exit status.
        let mut answer_at = Instant::now();
        let mut answer_by = answer_at;
        loop {
            let message = tokio::select! {
                message = read.wait() => message,
                _ = &mut input, if !input_ended => {
                    // A command may end before it has read its input.
                    input_ended = true;
                    continue;
                }
                () = sleep_until(answer_at.min(answer_by)), if ended.exit_code.is_some() => {
                    return Ok(ended);
                }
                () = &mut limit, if ended.exit_code.is_none() => {
                    if ended.timed_out {
                        return Ok(ended);
                    }
                    ended.timed_out = true;
                    limit.as_mut().reset(Instant::now() + ENDING);
                    // An error means that the connection is gone; the loop sees it next.
                    let _ = write.signal(Sig::TERM).await;
                    if let Some(group) = self.group {
                        tokio::spawn(end_group(lease.clone(), connection.clone(), group));
                    }
                    continue;
                }
            };
            match message {
                Some(ChannelMsg::Data { data }) => output.stdout(&data),
                Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                    output.stderr(&data)?;
                    let started = self.group.is_none() && output.group().is_some();
                    self.group = output.group();
                    // The time limit came before the header did.
                    if let Some(group) = self.group.filter(|_| started && ended.timed_out) {
                        tokio::spawn(end_group(lease.clone(), connection.clone(), group));
                    }
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    ended.exit_code = Some(i32::try_from(exit_status).unwrap_or(i32::MAX));
                    answer_by = Instant::now() + LAST_WORDS;
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    ended.exit_code = Some(128 + signal::number(&signal_name));
                    answer_by = Instant::now() + LAST_WORDS;
                }
                Some(ChannelMsg::Failure) if !output.started() => {
                    return Err(GuestError::RequestRefused);
                }
                None | Some(ChannelMsg::Close) => return Ok(ended),
                Some(_) => continue,
            }
            answer_at = Instant::now() + SILENCE;
        }
    }
}

/// How a command ended.
#[derive(Default)]
struct Ended {
    /// Nothing if it is not known.
    exit_code: Option<i32>,
    timed_out: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut channel) = self.channel.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (group, word) = (self.group, std::mem::take(&mut self.word));
        let lease = self.lease.clone();
        runtime.spawn(async move {
            let connection = channel.connection();
            let (read, write) = channel.halves();
            let _ = write.signal(Sig::TERM).await;
            let group = match group {
                Some(group) => Some(group),
                None => timeout(ENDING, await_group(read, &word))
                    .await
                    .unwrap_or_default(),
            };
            if let Some(group) = group {
                end_group(lease, connection, group).await;
            }
            drop(channel);
        });
    }
}

/// Waits for the header of a command that is on its way.
async fn await_group(read: &mut ChannelReadHalf, word: &str) -> Option<u32> {
    let mut output = Output::new(word, 0, None);
    while let Some(message) = read.wait().await {
        match message {
            // The header is one short write, so it is not in two messages.
            ChannelMsg::ExtendedData { data, ext: 1 } => output.stderr(&data).ok()?,
            ChannelMsg::Close => return None,
            _ => {}
        }
        if output.started() {
            return output.group();
        }
    }
    None
}

/// Ends a command's process group by a command on the same connection, or on another one if it
/// has no room.
async fn end_group(lease: Arc<Lease>, connection: Arc<Connection>, group: u32) {
    let ending = async {
        let line = script::end_group(group);
        if let Ok(channel) = connection.open_session().await {
            let (mut read, write) = channel.split();
            let _ = write.exec(true, line).await;
            while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {}
            let _ = write.close().await;
        } else if let Ok(mut channel) = lease.session().await {
            let (read, write) = channel.halves();
            let _ = write.exec(true, line).await;
            while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {}
        }
    };
    // A process that survives KILL or left its group goes on; it uses the customer's resources.
    let _ = timeout(ENDING, ending).await;
}
