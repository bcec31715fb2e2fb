//! Commands in a container. Proxmox has no call for that, so a command is typed into the
//! container's terminal: the script goes in as base64 data and is checked there before it runs, its
//! output comes back as base64 between sentinels that the typed text itself never contains, and the
//! session ends once that was read. `script` writes what is typed, `parse` reads what comes back,
//! `session` is the conversation, `run` puts it on a real terminal under the container's lock.

#[cfg(test)]
mod floods;
mod parse;
mod run;
mod script;
mod session;
#[cfg(test)]
mod shells;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::terminal::{ConsoleInUse, TerminalError};

pub use run::Shell;

/// The largest script, in bytes. It is typed at the speed of a terminal.
pub const MAX_SCRIPT: usize = 128 * 1024;

/// A script for `sh` in a container, as root, with no standard input.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// The script; anything that `sh` reads, at most [`MAX_SCRIPT`] bytes.
    pub script: Vec<u8>,
    /// When to end it, rounded up to whole seconds.
    pub timeout: Duration,
    /// How much of each of its two outputs to return, in bytes.
    pub limit_bytes: usize,
    /// End the program that runs in the container's terminal, unsaved work included.
    pub force: bool,
    /// How long to wait for other commands on the same container.
    pub lock_timeout: Duration,
}

impl ExecRequest {
    /// A script with 30 seconds to run and 64 KiB for each output.
    pub fn new(script: impl Into<Vec<u8>>) -> Self {
        Self {
            script: script.into(),
            timeout: Duration::from_secs(30),
            limit_bytes: 64 * 1024,
            force: false,
            lock_timeout: Duration::from_secs(10),
        }
    }
}

/// What a script did. Root in the container can forge all of this, for its own container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutcome {
    /// The start of its standard output.
    pub stdout: Vec<u8>,
    /// The start of its standard error.
    pub stderr: Vec<u8>,
    /// Its exit status; above 128 a signal ended it.
    pub exit_code: i32,
    /// It ran into its time limit and was ended.
    pub timed_out: bool,
    /// One of the outputs is longer than what is returned.
    pub truncated: bool,
    /// The length of its whole standard output.
    pub stdout_bytes: u64,
    /// The length of its whole standard error.
    pub stderr_bytes: u64,
}

/// One of a script's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Receives output while the script runs, in the order of each stream, with a delay of a fraction
/// of a second.
#[derive(Clone)]
pub struct OutputSink(Arc<OutputReceiver>);

type OutputReceiver = dyn Fn(OutputStream, &[u8]) + Send + Sync;

impl OutputSink {
    /// Calls `sink` with every chunk. It must not block.
    pub fn new(sink: impl Fn(OutputStream, &[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Passes a chunk on; an empty one is left out.
    pub fn send(&self, stream: OutputStream, bytes: &[u8]) {
        if !bytes.is_empty() {
            (self.0)(stream, bytes);
        }
    }
}

impl fmt::Debug for OutputSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputSink")
    }
}

/// Why a script has no outcome.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecError {
    /// The terminal cannot be opened.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// A program runs in the container's terminal.
    #[error("a program is running in the container's terminal; end it there, or force it")]
    Busy,
    /// The container writes more to its terminal than is read, and no shell answers.
    #[error("the container floods its terminal; end there what writes so much")]
    Flooded,
    /// The terminal shows a login prompt.
    #[error("the container's console asks for a login: its `cmode` has to be `shell`")]
    NotShell,
    /// The container could not take the script.
    #[error(
        "the container cannot take the script: its disk is full or cannot be written, \
         or base64 or sha256sum is missing"
    )]
    Setup,
    /// The script is too large.
    #[error("the script has {0} bytes, more than {MAX_SCRIPT}")]
    TooLarge(usize),
    /// The connection or the session ended while the script may have been running.
    #[error("the command's outcome is not known: {0}")]
    Lost(String),
}

impl ExecError {
    /// True if the script may have run, in part or in whole.
    pub fn may_have_executed(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

impl From<Error> for ExecError {
    fn from(error: Error) -> Self {
        Self::Terminal(error.into())
    }
}

impl From<ConsoleInUse> for ExecError {
    fn from(error: ConsoleInUse) -> Self {
        Self::Terminal(error.into())
    }
}
