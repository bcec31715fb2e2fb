//! A background command as the container's files show it. Root in the container can write these
//! files, so nothing of them is believed beyond what its owner is shown.

use api_types::{CommandState, CommandView};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::is_command_id;
use crate::timestamp::timestamp;

/// One line of the script that shows commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandRecord {
    pub(super) id: String,
    pub(super) state: CommandState,
    pub(super) status: Option<i32>,
    /// Unix seconds.
    pub(super) begun: i64,
    /// Unix seconds.
    pub(super) ended: Option<i64>,
    /// The length of its standard output, in bytes.
    pub(super) stdout: u64,
    /// The length of its standard error, in bytes.
    pub(super) stderr: u64,
    pub(super) head: String,
}

/// Unix seconds that can be written with a year of four digits.
fn moment(seconds: i64) -> i64 {
    seconds.clamp(0, 253_402_300_799)
}

impl CommandRecord {
    /// Reads a line; none if it is no such line.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let id = words.next().filter(|id| is_command_id(id))?.to_owned();
        let state = match words.next()? {
            "running" => CommandState::Running,
            "ended" => CommandState::Ended,
            "lost" => CommandState::Lost,
            _ => return None,
        };
        let status = words.next()?.parse().ok();
        let begun = words.next()?.parse().ok()?;
        let ended = words.next()?.parse().ok();
        let stdout = words.next()?.parse().ok()?;
        let stderr = words.next()?.parse().ok()?;
        let head = STANDARD.decode(words.next().unwrap_or_default()).ok()?;
        Some(Self {
            id,
            state,
            status: status.filter(|_| state == CommandState::Ended),
            begun: moment(begun),
            ended: ended.filter(|_| state == CommandState::Ended).map(moment),
            stdout,
            stderr,
            head: String::from_utf8_lossy(&head).into_owned(),
        })
    }

    /// The command as its owner sees it.
    pub(super) fn view(self) -> CommandView {
        CommandView {
            command_id: self.id,
            command: self.head,
            state: self.state,
            exit_code: self.status,
            started_at: timestamp(self.begun),
            ended_at: self.ended.map(timestamp),
            stdout_bytes: self.stdout,
            stderr_bytes: self.stderr,
        }
    }
}
