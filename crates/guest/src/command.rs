//! What a command is asked to do, and what it did.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::GuestError;
use crate::script;

/// A script for a guest's `/bin/sh`.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    /// The script, of any length, without NUL bytes.
    pub script: Vec<u8>,
    /// Its standard input, which ends after it.
    pub stdin: Vec<u8>,
    /// Variables beside those of a login, at most 1 MiB.
    pub env: Vec<(String, String)>,
    /// The working directory, the user's home if it is not given.
    pub cwd: Option<String>,
    /// The user to run it as, the login's if it is not given.
    pub user: Option<String>,
    /// When to end it: TERM to its process group, KILL two seconds later.
    pub timeout: Duration,
    /// How much of the start of each of its outputs to return, in bytes. The rest is counted.
    pub limit_bytes: usize,
}

impl CommandRequest {
    /// A script with 30 seconds to run and 64 KiB for each output.
    pub fn new(script: impl Into<Vec<u8>>) -> Self {
        Self {
            script: script.into(),
            stdin: Vec::new(),
            env: Vec::new(),
            cwd: None,
            user: None,
            timeout: Duration::from_secs(30),
            limit_bytes: 64 * 1024,
        }
    }

    /// Whether it can be expressed, and the code for its environment.
    pub(crate) fn check(&self) -> Result<Vec<u8>, GuestError> {
        if self.script.contains(&0) {
            return Err(GuestError::InvalidCommand("the script has a NUL byte"));
        }
        if self
            .cwd
            .as_ref()
            .is_some_and(|cwd| cwd.contains('\0') || cwd.len() > 4096)
        {
            return Err(GuestError::NoSuchDirectory);
        }
        if self
            .user
            .as_ref()
            .is_some_and(|user| !script::is_user_name(user))
        {
            return Err(GuestError::NoSuchUser);
        }
        script::environment(&self.env)
    }
}

/// What a command did. Root in the guest can forge all of this, for its own guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutcome {
    /// The start of its standard output.
    pub stdout: Vec<u8>,
    /// The start of its standard error.
    pub stderr: Vec<u8>,
    /// The length of its whole standard output.
    pub stdout_bytes: u64,
    /// The length of its whole standard error.
    pub stderr_bytes: u64,
    /// Its exit status; 128 and the signal's number if one ended it.
    pub exit_code: i32,
    /// It ran into its time limit and was ended.
    pub timed_out: bool,
    /// One of the outputs is longer than what is returned.
    pub truncated: bool,
}

/// One of a command's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Receives output while a command runs, in the order of each stream.
#[derive(Clone)]
pub struct OutputSink(Arc<OutputReceiver>);

type OutputReceiver = dyn Fn(OutputStream, &[u8]) + Send + Sync;

impl OutputSink {
    /// Calls `sink` with every chunk, none of them empty. It must not block.
    pub fn new(sink: impl Fn(OutputStream, &[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    pub(crate) fn send(&self, stream: OutputStream, bytes: &[u8]) {
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
