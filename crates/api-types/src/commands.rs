//! Bodies of the routes about commands that run in the background of a container. Output and exit
//! status are files in the container, so that they outlive the service's own restarts.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The longest wait for output, in seconds: proxies end requests after a minute.
pub const LONGEST_WAIT: u64 = 50;

/// Where a background command is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// It runs.
    Running,
    /// It has ended; `exitCode` says how.
    Ended,
    /// It is gone and left no exit status: the container was stopped, or its processes were killed.
    Lost,
}

/// A background command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandView {
    /// Its id, given when it was begun.
    pub command_id: String,
    /// The beginning of its command line.
    pub command: String,
    /// Where it is in its life.
    pub state: CommandState,
    /// Its exit status, once it has ended; above 128 a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When it was begun, by the container's clock.
    pub started_at: Timestamp,
    /// When it ended, by the container's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Length of its standard output so far, in bytes.
    pub stdout_bytes: u64,
    /// Length of its standard error so far, in bytes.
    pub stderr_bytes: u64,
}

/// The answer of `GET /lease/{lease}/commands`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandList {
    /// The container's background commands, the youngest first.
    pub commands: Vec<CommandView>,
}

/// The answer of `GET /lease/{lease}/commands/{id}`: the command, and its output from the offsets
/// that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandOutput {
    /// The command.
    #[serde(flatten)]
    pub command: CommandView,
    /// Standard output from `stdoutOffset` on, as text; what is no UTF-8 is replaced.
    pub stdout: String,
    /// Standard error from `stderrOffset` on, as text; what is no UTF-8 is replaced.
    pub stderr: String,
    /// The same bytes of standard output in base64, where they are no UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_base64: Option<String>,
    /// The same bytes of standard error in base64, where they are no UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_base64: Option<String>,
    /// The `stdoutOffset` of the next request.
    pub stdout_offset: u64,
    /// The `stderrOffset` of the next request.
    pub stderr_offset: u64,
}

/// A signal for a background command and all of its processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum CommandSignal {
    /// Asks it to end.
    #[default]
    Term,
    /// Interrupts it, as Ctrl-C does.
    Int,
    /// Tells it that its terminal is gone; many servers read their configuration again.
    Hup,
    /// Ends it at once.
    Kill,
    /// The first signal that programs define for themselves.
    Usr1,
    /// The second one.
    Usr2,
}

impl CommandSignal {
    /// Its name for `kill`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Kill => "KILL",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
        }
    }
}
