//! Defects of a container's SSH server and of the way to it. [`Sim::set_ssh_defects`] sets them
//! while the simulator runs.
//!
//! [`Sim::set_ssh_defects`]: crate::Sim::set_ssh_defects

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is wrong with a container's SSH server; the default is a server as Debian installs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SshDefects {
    /// Nothing listens on port 22.
    pub no_server: bool,
    /// No key is accepted, as where the lines of `authorized_keys` are gone.
    pub no_keys: bool,
    /// The server shows a host key that the container does not have, as an impostor does.
    pub other_host_key: bool,
    /// `MaxSessions`: sessions that one connection may have at a time.
    pub max_sessions: usize,
    /// Turns addresses away that failed to log in, as OpenSSH does from 9.8 on.
    pub penalties: bool,
    /// The container is frozen: connections are accepted and nothing answers.
    pub frozen: bool,
    /// How long after the container's start the server begins to listen (real time, not scaled).
    pub late: Duration,
    /// SFTP is served by the simulator's own code, as where the host lacks OpenSSH's program.
    pub own_sftp: bool,
    /// A firewall drops what comes to the container, so that no connection is answered.
    pub filtered: bool,
}

impl Default for SshDefects {
    fn default() -> Self {
        Self {
            no_server: false,
            no_keys: false,
            other_host_key: false,
            max_sessions: 10,
            penalties: false,
            frozen: false,
            late: Duration::ZERO,
            own_sftp: false,
            filtered: false,
        }
    }
}
