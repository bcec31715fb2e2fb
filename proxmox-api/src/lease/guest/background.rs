//! Commands that go on in a container after the request that began them. All of their state is
//! files in the container: so they outlive our restart, any replica finds them, and beginning one
//! twice begins it once. `scripts` has the shell code that keeps those files, `record` reads what
//! it prints.

mod record;
mod scripts;
#[cfg(test)]
mod tests;

use ::guest::{CommandOutcome, CommandRequest, Guest};
use api_types::{CommandOutput, CommandSignal, CommandState, CommandView, ErrorCode};

use self::record::CommandRecord;
use super::{command::GuestCommand, script, text};
use crate::{error::ApiError, ids::PaymentId};

/// How much of each output one answer has, in bytes.
pub const OUTPUT_LIMIT: usize = 64 * 1024;

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

/// The command under `id`, as the request that begins it. Sent again, it begins nothing new.
pub fn begin_request(id: &str, command: &GuestCommand) -> GuestCommand {
    let mut stdin = command.script.clone().into_bytes();
    stdin.extend_from_slice(&command.stdin);
    GuestCommand {
        script: scripts::begin(id, command),
        stdin,
        timeout: script::TIMEOUT,
        limit_bytes: OUTPUT_LIMIT,
        ..GuestCommand::default()
    }
}

/// Whether a command was begun in the container, whatever became of it.
///
/// # Errors
/// The container does not answer.
pub async fn was_begun(guest: &Guest, id: &str) -> Result<bool, ApiError> {
    Ok(look(guest, id).await?.is_some())
}

/// All background commands of a container, the youngest first.
///
/// # Errors
/// The container does not answer.
pub async fn list(guest: &Guest) -> Result<Vec<CommandView>, ApiError> {
    let outcome = run(guest, scripts::show(""), 256 * 1024).await?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    let commands = text.lines().filter_map(CommandRecord::read);
    Ok(commands.map(CommandRecord::view).collect())
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

/// Sends a signal to a command and all processes of its group. A command that was begun a moment
/// ago has none yet: the signal waits for it.
///
/// # Errors
/// There is no such command, it does not start, or the container does not answer.
pub async fn signal(
    guest: &Guest,
    id: &str,
    signal: CommandSignal,
) -> Result<CommandView, ApiError> {
    let record = find(guest, id).await?;
    if record.state == CommandState::Running {
        let outcome = run(guest, scripts::signal(id, signal), OUTPUT_LIMIT).await?;
        if outcome.exit_code == scripts::NO_GROUP {
            let message = "The command has not started yet, and got no signal.";
            return Err(ApiError::new(ErrorCode::LeaseConflict, message).retry_after(2));
        }
    }
    Ok(find(guest, id).await?.view())
}

async fn find(guest: &Guest, id: &str) -> Result<CommandRecord, ApiError> {
    look(guest, id).await?.ok_or_else(unknown)
}

async fn look(guest: &Guest, id: &str) -> Result<Option<CommandRecord>, ApiError> {
    if !is_command_id(id) {
        return Ok(None);
    }
    let outcome = run(guest, scripts::show(id), OUTPUT_LIMIT).await?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    Ok(text.lines().find_map(CommandRecord::read))
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
            "cd {}/{} && tail -c +{} stdout | head -c {stdout_bytes} && tail -c +{} stderr | head -c {stderr_bytes} >&2",
            scripts::FOLDER,
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
        limit_bytes: limit,
        ..CommandRequest::new(script)
    };
    script::run(guest, request).await
}

fn unknown() -> ApiError {
    let message = "The container has no background command with this id.";
    ApiError::new(ErrorCode::CommandNotFound, message)
}
