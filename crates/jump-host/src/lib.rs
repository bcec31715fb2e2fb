//! A jump host: an SSH server for `ssh -J`. A client logs in with a public key, and opens
//! connections to the machines that the [`JumpPolicy`] finds for that key. The SSH of the machine
//! runs inside, end to end, so neither keys nor what is typed are seen here. There is no shell, no
//! command, no other forwarding.
//!
//! RSA keys are not taken: the crate `rsa` has a timing fault (RUSTSEC-2023-0071), and `ring`
//! verifies none. A client without another key is told so, by the text of a keyboard-interactive
//! login that then fails.

mod connection;
mod key;
mod server;

use std::net::IpAddr;
use std::pin::Pin;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use key::JumpHostKey;
pub use server::{JumpHost, serve};

/// The bytes of a connection to a machine.
pub trait JumpStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> JumpStream for T {}

/// A connection to a machine.
pub struct Machine {
    /// Its bytes.
    pub stream: Box<dyn JumpStream>,
    /// Completes when the connection has to end, whatever the client reads.
    pub over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Why a connection is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JumpRefusal {
    /// The key leads to no such machine, or not to this port.
    Prohibited,
    /// The machine cannot be reached now.
    Unreachable,
    /// There are too many connections.
    Full,
}

/// Who may come in, and where to.
#[async_trait]
pub trait JumpPolicy: Send + Sync + 'static {
    /// Lets a connection from this address in; what is returned is kept until its end.
    fn admit(&self, peer: IpAddr) -> Option<Box<dyn Send>>;

    /// Whether a key with this SHA-256 fingerprint leads anywhere.
    async fn knows(&self, fingerprint: &str) -> bool;

    /// Opens a connection for a key whose owner has proved it.
    ///
    /// # Errors
    /// [`JumpRefusal`].
    async fn open(&self, fingerprint: &str, host: &str, port: u16) -> Result<Machine, JumpRefusal>;
}
