//! One authenticated SSH connection to a guest whose host key is known.
//!
//! The guest is another party: root in it can replace its SSH server. So the host key is checked
//! before anything is signed or sent, channels that the server opens are refused, and what waits
//! for the server has a time limit.

use std::borrow::Cow;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, Msg};
use russh::{AlgorithmKind, Channel, ChannelOpenFailure, Preferred, SshId, compression};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::client::{Client, Ended};
use crate::dialer::Dialer;
use crate::error::{GuestError, LOST};
use crate::key::GuestKey;
use crate::pin::HostKeys;

/// For the TCP connection and the server's first line.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the key exchange and the login.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// For the server's answer to a request for a channel.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that is silent for this long is asked whether it is alive, three times.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Messages of a channel that wait for their reader before the whole connection waits. At most
/// 1 MiB for a server that keeps to our packet size.
const CHANNEL_BUFFER: usize = 32;
/// Channels that we may close before the server does.
const CLOSED_BY_US: u32 = 1000;

/// Why no connection could be made.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The server dropped the connection before its first line, as OpenSSH does while too many
    /// others log in (MaxStartups). `told` if it said that this is the reason.
    Dropped { told: bool },
    /// Anything else.
    Failed(GuestError),
}

impl From<GuestError> for ConnectError {
    fn from(error: GuestError) -> Self {
        Self::Failed(error)
    }
}

/// Why a channel could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The server's `ConnectFailed` or a shortage: for a session, no more of them on this
    /// connection (MaxSessions); for a port, nothing listens.
    Failed,
    /// The server forbids it.
    Prohibited,
    /// The connection is gone, or its server does not answer.
    Lost,
}

/// Where and how to log in.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) user: &'a str,
    pub(crate) key: &'a GuestKey,
    pub(crate) host_keys: &'a HostKeys,
}

pub(crate) struct Connection {
    handle: Handle<Client>,
    /// Channels that we closed before the server did.
    closed_by_us: AtomicU32,
    /// The same socket, to end it at once whatever the protocol's task waits for.
    socket: std::net::TcpStream,
}

impl Connection {
    /// Connects, checks the host key, logs in.
    pub(crate) async fn open(dialer: &Dialer, login: &Login<'_>) -> Result<Self, ConnectError> {
        if login.host_keys.is_empty() {
            return Err(GuestError::NoHostKey.into());
        }
        let by = Instant::now() + CONNECT_TIMEOUT;
        let stream = dialer.connect(login.address, CONNECT_TIMEOUT).await?;
        let greeting = timeout_at(by, await_greeting(&stream)).await;
        greeting.map_err(|_| GuestError::Unreachable)??;
        let logging_in = timeout(LOGIN_TIMEOUT, log_in(stream, login)).await;
        Ok(logging_in.map_err(|_| GuestError::Unreachable)??)
    }

    /// Opens a session channel, for one command, shell or subsystem.
    pub(crate) async fn open_session(&self) -> Result<Channel<Msg>, OpenError> {
        self.opened(self.handle.channel_open_session()).await
    }

    /// Opens a connection from the guest to a port of its own loopback. By name, so that sshd
    /// tries both address families.
    pub(crate) async fn open_port(&self, port: u16) -> Result<Channel<Msg>, OpenError> {
        let port = u32::from(port);
        self.opened(
            self.handle
                .channel_open_direct_tcpip("localhost", port, "127.0.0.1", 0),
        )
        .await
    }

    async fn opened(
        &self,
        opening: impl Future<Output = Result<Channel<Msg>, russh::Error>>,
    ) -> Result<Channel<Msg>, OpenError> {
        match timeout(OPEN_TIMEOUT, opening).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(failure))) => Err(match failure {
                ChannelOpenFailure::AdministrativelyProhibited
                | ChannelOpenFailure::UnknownChannelType => OpenError::Prohibited,
                _ => OpenError::Failed,
            }),
            Ok(Err(_)) => Err(OpenError::Lost),
            Err(_) => {
                self.abort();
                Err(OpenError::Lost)
            }
        }
    }

    /// Waits until the server has answered all that was sent before, the closing of a channel
    /// last.
    pub(crate) async fn await_close(&self) {
        self.closed_by_us.fetch_add(1, Ordering::Relaxed);
        self.answer().await;
    }

    /// Waits until the server has answered a question that any server answers.
    pub(crate) async fn answer(&self) {
        // An error means that the connection is gone, which its users see.
        let _ = self.handle.send_ping().await;
    }

    /// Whether it should be replaced. russh keeps some KiB of each channel that we closed first
    /// until the connection ends.
    pub(crate) fn is_worn(&self) -> bool {
        self.closed_by_us.load(Ordering::Relaxed) >= CLOSED_BY_US
    }

    /// Whether nothing can be opened on it any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Ends the connection at once. Every channel of it ends with it.
    pub(crate) fn abort(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Waits for the start of the server's identification without taking it, so that a server that
/// drops us can be told from one that does not speak SSH.
async fn await_greeting(stream: &TcpStream) -> Result<(), ConnectError> {
    const SSH: &[u8] = b"SSH-";
    const BUSY: &[u8] = b"Exceeded MaxStartups";
    const PENALTY: &[u8] = b"Not allowed at this time";
    let mut start = [0; BUSY.len()];
    loop {
        let length = match stream.peek(&mut start).await {
            Ok(0) | Err(_) => return Err(ConnectError::Dropped { told: false }),
            Ok(length) => length,
        };
        let seen = &start[..length];
        if seen.starts_with(SSH) {
            return Ok(());
        }
        if seen == BUSY {
            return Err(ConnectError::Dropped { told: true });
        }
        if length >= SSH.len() && PENALTY.starts_with(seen) {
            return Err(GuestError::Penalized.into());
        }
        if !SSH.starts_with(seen) && !BUSY.starts_with(seen) {
            return Err(GuestError::NotSsh.into());
        }
        // The rest is under way; peeking again returns at once.
        sleep(Duration::from_millis(2)).await;
    }
}

async fn log_in(stream: TcpStream, login: &Login<'_>) -> Result<Connection, GuestError> {
    let broken = |error: std::io::Error| GuestError::Other(error.to_string());
    let stream = stream.into_std().map_err(broken)?;
    let socket = stream.try_clone().map_err(broken)?;
    let stream = TcpStream::from_std(stream).map_err(broken)?;
    let client = Client::new(*login.host_keys);
    let ended = client.ended();
    let mut handle = client::connect_stream(Arc::new(config(login.host_keys)), stream, client)
        .await
        .map_err(|error| handshake_error(&error))?;
    let key = login.key.for_login();
    match handle.authenticate_publickey(login.user, key).await {
        Ok(AuthResult::Success) => Ok(Connection {
            handle,
            closed_by_us: AtomicU32::new(0),
            socket,
        }),
        Ok(AuthResult::Failure {
            remaining_methods, ..
        }) => {
            let reason = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
            // russh reports a lost connection as a failure without further methods.
            let refused = !remaining_methods.is_empty()
                || matches!(reason, Some(Ended::TooManyTries))
                || !handle.is_closed();
            Err(if refused {
                GuestError::AuthRefused
            } else {
                LOST
            })
        }
        Err(_) => Err(LOST),
    }
}

fn config(host_keys: &HostKeys) -> client::Config {
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-infra402")),
        channel_buffer_size: CHANNEL_BUFFER,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 3,
        nodelay: true,
        preferred: Preferred {
            key: host_keys.algorithms().into(),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

fn handshake_error(error: &russh::Error) -> GuestError {
    match error {
        russh::Error::UnknownKey
        | russh::Error::WrongServerSig
        | russh::Error::NoCommonAlgo {
            kind: AlgorithmKind::Key,
            ..
        } => GuestError::HostKeyMismatch,
        russh::Error::Version => GuestError::NotSsh,
        russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_) => LOST,
        error => GuestError::Other(error.to_string()),
    }
}
