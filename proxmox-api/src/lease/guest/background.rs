//! Commands that go on in a container after the request that began them. All of their state is
//! files in the container: so they outlive our restart, any replica finds them, and beginning one
//! twice begins it once.
//!
//! `/var/lib/infra402/commands/ID` has `script`, `input`, `head` (the beginning of the command
//! line), `begun`, `keeper` (process id and start time of the process that waits for the command),
//! `group` (the command's process group), `stdout`, `stderr`, and at the end `ended` and `status`;
//! until then `reserve`, which keeps room for them on a disk that the command fills.

mod record;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ::guest::{CommandOutcome, CommandRequest, Guest, GuestError};
use api_types::{CommandOutput, CommandSignal, CommandState, CommandView, ErrorCode};

use self::record::CommandRecord;
use super::{command::GuestCommand, text};
use crate::{error::ApiError, ids::PaymentId};

/// The commands' folder in the container.
const FOLDER: &str = "/var/lib/infra402/commands";
/// Commands that are kept in a container; the oldest that have ended are removed first.
const MOST_COMMANDS: usize = 100;
/// How much of each output one answer has, in bytes.
pub const OUTPUT_LIMIT: usize = 64 * 1024;
/// How much of a command line is shown, in bytes.
const HEAD_BYTES: usize = 200;
/// How long our own scripts may take in a container.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes the command's folder, which only one of several requests for it can, and starts its
/// keeper. `setsid` forks where its caller leads a process group, which it does at the second one
/// at the latest, and the request ends at once. A command that is started by `&` would ignore
/// SIGINT.
const BEGIN: &str = r#"umask 077
mkdir -p "$folder" && cd "$folder" || exit 73
for old in $(ls -1t | tail -n "+$most"); do
    if [ -e "$old/status" ]; then rm -rf "./$old"; fi
done
if ! mkdir "$id" 2>/dev/null; then
    [ -d "$id" ] || exit 73
    # Another request begins it just now, or one was cut off before it had.
    tries=0
    while ! [ -e "$id/begun" ] && [ "$tries" -lt 20 ]; do
        sleep 0.1 2>/dev/null || sleep 1
        tries=$((tries + 1))
    done
    if [ -e "$id/begun" ]; then exit 0; fi
    rm -rf "./$id"
    mkdir "$id" 2>/dev/null || exit 73
fi
# BusyBox's `head` takes more from a pipe than it passes on.
if cd "$id" && cat >input.new && head -c "$script_bytes" <input.new >script &&
    tail -c "+$((script_bytes + 1))" <input.new >input && rm input.new && printf %s "$head" >head &&
    printf %s "$start" >start && printf %s "$keeper" >run && head -c 16384 /dev/zero >reserve &&
    date +%s >begun; then
    exec setsid sh -c 'exec setsid sh ./run' </dev/null >/dev/null 2>&1
fi
# What is left has no `begun`, and makes room for the next request that begins it.
exit 73
"#;

/// Waits for the command and writes down how it ended. It is in another session than the command,
/// so that a signal for the command's group does not reach it. A full disk is said at the end of
/// the command's standard error, since the command itself could write it nowhere.
const KEEPER: &str = r#"echo "$$ $(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)" >keeper.new && mv keeper.new keeper
trap : HUP TERM INT USR1 USR2
setsid sh ./start <input >stdout 2>stderr
code=$?
{ head -c 4096 /dev/zero >filler; } 2>/dev/null
filled=$(wc -c <filler 2>/dev/null | tr -d ' ')
rm -f filler reserve start
if [ "${filled:-0}" != 4096 ]; then
    echo "infra402: the container's disk is full; output of this command may be missing" >>stderr
fi
tries=0
until { date +%s >ended && echo "$code" >status.new && mv status.new status; } 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || exit 1
    sleep 1
done
"#;

/// Prints a line for each command; [`record`] reads it.
const SHOW: &str = r#"cd "$folder" 2>/dev/null || exit 0
size() { if [ -e "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }
ended() { if [ -e "$1/status" ]; then state=ended status=$(cat "$1/status") ended=$(cat "$1/ended"); fi; }
for id in ${ids:-$(ls -1)}; do
    [ -e "$id/begun" ] || continue
    state=lost status=- ended=-
    if read -r pid start 2>/dev/null <"$id/keeper"; then
        now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)
        if [ "$now" = "$start" ]; then state=running; fi
    elif [ "$(($(date +%s) - $(cat "$id/begun")))" -lt 10 ]; then
        state=running
    fi
    ended "$id"
    echo "$id $state $status $(cat "$id/begun") $ended $(size "$id/stdout") $(size "$id/stderr") $(base64 <"$id/head" | tr -d '\n')"
done
"#;

/// The id of the command that a payment begins.
pub fn command_id(payment_id: &PaymentId) -> String {
    let text = payment_id.as_str();
    format!("cmd_{}", text.strip_prefix("pay_").unwrap_or(text))
}

/// Whether it can be a command's id. It becomes part of a path in the container.
fn is_command_id(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.starts_with("cmd_") && text.len() <= 80 && text.bytes().all(inside)
}

/// The command under `id`, as the request that begins it. Sent twice, it is begun once.
pub fn begin_request(id: &str, command: &GuestCommand) -> GuestCommand {
    let mut stdin = command.script.clone().into_bytes();
    let script_bytes = stdin.len();
    stdin.extend_from_slice(&command.stdin);
    let script = format!(
        "folder={FOLDER} id={} most={} script_bytes={script_bytes} head={} start={} keeper={}\n{BEGIN}",
        quoted(id),
        MOST_COMMANDS + 1,
        quoted(head_of(&command.script)),
        quoted(&start_script(command)),
        quoted(KEEPER),
    );
    GuestCommand {
        script,
        stdin,
        timeout: SCRIPT_TIMEOUT,
        limit_bytes: OUTPUT_LIMIT,
        ..GuestCommand::default()
    }
}

/// What runs the customer's script: in its folder, with its variables, as its user. `setpriv` keeps
/// the process; where it is missing `su` does the same. The command's words are complete before the
/// variables are set, because a variable may have any name.
fn start_script(command: &GuestCommand) -> String {
    let mut text = "echo $$ >group.new && mv group.new group\n".to_owned();
    text += &match command.user.as_deref() {
        Some(user) => format!(
            "u={user} && i=$(id -u \"$u\") && g=$(id -g \"$u\") || exit 125\n\
             eval \"HOME=~$u\"; USER=$u LOGNAME=$u; export HOME USER LOGNAME\n\
             if p=$(command -v setpriv) && \"$p\" --reuid=\"$i\" --regid=\"$g\" --init-groups true 2>/dev/null; then\n\
             set -- \"$p\" --reuid=\"$i\" --regid=\"$g\" --init-groups /bin/sh -c \"$(cat script)\"\n\
             else set -- \"$(command -v su)\" -s /bin/sh -c \"$(cat script)\" -- \"$u\"\nfi\n"
        ),
        None => "set -- /bin/sh -c \"$(cat script)\"\n".to_owned(),
    };
    for (name, value) in &command.env {
        text += &format!("export {name}={}\n", quoted(value));
    }
    text += &match &command.cwd {
        Some(folder) => format!("cd -- {} || exit 125\n", quoted(folder)),
        None => "cd -- \"$HOME\" 2>/dev/null || cd /\n".to_owned(),
    };
    text + "exec \"$@\"\n"
}

/// All background commands of a container, the youngest first.
///
/// # Errors
/// The container does not answer.
pub async fn list(guest: &Guest) -> Result<Vec<CommandView>, ApiError> {
    let outcome = run(guest, format!("folder={FOLDER} ids=\n{SHOW}"), 256 * 1024).await?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    let mut commands: Vec<CommandRecord> = text.lines().filter_map(CommandRecord::read).collect();
    commands.sort_by(|one, other| {
        let key = |record: &CommandRecord| (record.begun, record.id.clone());
        key(other).cmp(&key(one))
    });
    Ok(commands.into_iter().map(CommandRecord::view).collect())
}

/// Which part of a command's output is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutputRange {
    /// From which byte of standard output on.
    pub stdout: u64,
    /// From which byte of standard error on.
    pub stderr: u64,
}

/// A command and its output from the offsets on. `None` if there is none yet and the command runs,
/// unless this is the last look.
///
/// # Errors
/// There is no such command, or the container does not answer.
pub async fn show(
    guest: &Guest,
    id: &str,
    range: OutputRange,
    is_last: bool,
) -> Result<Option<CommandOutput>, ApiError> {
    let record = find(guest, id).await?;
    let has_output = record.stdout > range.stdout || record.stderr > range.stderr;
    if !has_output && record.state == CommandState::Running && !is_last {
        return Ok(None);
    }
    with_output(guest, record, range).await.map(Some)
}

/// Sends a signal to a command and all processes of its group.
///
/// # Errors
/// There is no such command, or the container does not answer.
pub async fn signal(
    guest: &Guest,
    id: &str,
    signal: CommandSignal,
) -> Result<CommandView, ApiError> {
    let record = find(guest, id).await?;
    if record.state == CommandState::Running {
        let name = signal.name();
        let script = format!(
            "group=$(cat {FOLDER}/{id}/group) && kill -s {name} -- \"-$group\" 2>/dev/null || kill -s {name} \"$group\""
        );
        run(guest, script, OUTPUT_LIMIT).await?;
    }
    Ok(find(guest, id).await?.view())
}

async fn find(guest: &Guest, id: &str) -> Result<CommandRecord, ApiError> {
    if !is_command_id(id) {
        return Err(unknown());
    }
    let script = format!("folder={FOLDER} ids={id}\n{SHOW}");
    let outcome = run(guest, script, OUTPUT_LIMIT).await?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    text.lines()
        .find_map(CommandRecord::read)
        .ok_or_else(unknown)
}

async fn with_output(
    guest: &Guest,
    record: CommandRecord,
    range: OutputRange,
) -> Result<CommandOutput, ApiError> {
    let part = |whole: u64, from: u64| {
        let left = whole.saturating_sub(from);
        left.min(OUTPUT_LIMIT as u64)
    };
    let (stdout_bytes, stderr_bytes) = (
        part(record.stdout, range.stdout),
        part(record.stderr, range.stderr),
    );
    let mut parts = (Vec::new(), Vec::new());
    if stdout_bytes + stderr_bytes > 0 {
        let script = format!(
            "cd {FOLDER}/{} && tail -c +{} stdout | head -c {stdout_bytes} && tail -c +{} stderr | head -c {stderr_bytes} >&2",
            record.id,
            range.stdout.saturating_add(1),
            range.stderr.saturating_add(1),
        );
        let outcome = run(guest, script, OUTPUT_LIMIT).await?;
        parts = (outcome.stdout, outcome.stderr);
        let running = record.state == CommandState::Running;
        if running || range.stdout.saturating_add(stdout_bytes) < record.stdout {
            text::cut_to_characters(&mut parts.0);
        }
        if running || range.stderr.saturating_add(stderr_bytes) < record.stderr {
            text::cut_to_characters(&mut parts.1);
        }
    }
    let offsets = (
        range.stdout.saturating_add(parts.0.len() as u64),
        range.stderr.saturating_add(parts.1.len() as u64),
    );
    let whole = |bytes: Vec<u8>| {
        let length = bytes.len() as u64;
        text::text(bytes, length)
    };
    let (stdout, stdout_base64) = whole(parts.0);
    let (stderr, stderr_base64) = whole(parts.1);
    Ok(CommandOutput {
        command: record.view(),
        stdout,
        stderr,
        stdout_base64,
        stderr_base64,
        stdout_offset: offsets.0,
        stderr_offset: offsets.1,
    })
}

/// Runs a script of ours as root. It changes nothing that cannot be repeated.
async fn run(guest: &Guest, script: String, limit: usize) -> Result<CommandOutcome, ApiError> {
    let request = CommandRequest {
        timeout: SCRIPT_TIMEOUT,
        limit_bytes: limit,
        ..CommandRequest::new(script)
    };
    let outcome = guest.open_command(false).await?.run(request, None).await?;
    if outcome.timed_out {
        return Err(GuestError::Unreachable.into());
    }
    Ok(outcome)
}

fn unknown() -> ApiError {
    let message = "The container has no background command with this id.";
    ApiError::new(ErrorCode::CommandNotFound, message)
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The beginning of a command line.
fn head_of(script: &str) -> &str {
    let mut end = script.len().min(HEAD_BYTES);
    while !script.is_char_boundary(end) {
        end -= 1;
    }
    &script[..end]
}
