//! Why a terminal cannot be had, or has ended.

use crate::error::Error;
use crate::terminal::locks::ConsoleInUse;

/// Why a terminal cannot be had, or has ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TerminalError {
    /// Proxmox refused one of the two calls that open a terminal.
    #[error(transparent)]
    Api(#[from] Error),
    /// Proxmox opened the terminal and then closed it without accepting the account. Hosts whose
    /// pve-container is older than 6.1.3 do this to every API token.
    #[error(
        "the host does not accept the account {account} for consoles: API tokens need pve-container 6.1.3 or newer; \
         for older hosts set up a user with a password for consoles"
    )]
    AuthUnsupported {
        /// The account that was tried last.
        account: String,
    },
    /// The container's terminal is in use.
    #[error(transparent)]
    InUse(#[from] ConsoleInUse),
    /// The connection stayed plain HTTP: a proxy in front of the host does not pass WebSockets on.
    #[error(
        "the connection was not upgraded to a WebSocket (status {status}): a proxy between here and the host \
         does not pass it on"
    )]
    NoUpgrade {
        /// The status of the answer.
        status: u16,
    },
    /// The container does not run.
    #[error("the container does not run")]
    NotRunning,
    /// The other side broke the protocol.
    #[error("the terminal's connection broke the protocol: {0}")]
    Protocol(String),
    /// The connection is gone.
    #[error("the terminal's connection was lost: {0}")]
    Lost(String),
    /// The other side was silent for too long.
    #[error("the terminal did not answer in time: {0}")]
    Timeout(&'static str),
}
