//! Accepts connections and ends those that do not log in.

use std::borrow::Cow;
use std::io;
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::time::Duration;

use russh::server::{Config, run_stream};
use russh::{MethodKind, MethodSet, Preferred, SshId, compression};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, LoginState, OpenMachines};
use crate::{JumpHostKey, JumpPolicy};

/// For everything up to the login.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Keys that a client may try.
const MOST_TRIES: usize = 8;
/// A client that is silent for this long is asked whether it is alive, three times.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The pause after the system refused a connection, for instance for lack of open files.
const ACCEPT_BACKOFF: Duration = Duration::from_secs(1);

/// What a jump host needs.
pub struct JumpHost {
    /// Its host key.
    pub key: JumpHostKey,
    /// Who may come in, and where to.
    pub policy: Arc<dyn JumpPolicy>,
    /// What a client is told that wants a shell, or has no key that is taken; with line breaks.
    pub help: Arc<str>,
    /// How long a client may stay without a connection to a machine.
    pub longest_unused: Duration,
}

/// Serves until `stop` completes. Open connections end with it.
pub async fn serve(listener: TcpListener, host: JumpHost, stop: impl Future<Output = ()>) {
    let config = Arc::new(config(&host.key));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the jump host cannot accept a connection and retries");
                    sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            () = stop.as_mut() => return,
        };
        let Some(permit) = host.policy.admit(peer.ip().to_canonical()) else {
            continue;
        };
        let login = LoginState::default();
        let machines = OpenMachines::default();
        let (policy, help) = (host.policy.clone(), host.help.clone());
        let connection = Connection::new(policy, help, login.clone(), machines.clone());
        let (config, longest_unused) = (config.clone(), host.longest_unused);
        connections.spawn(async move {
            let idles = async {
                tokio::select! {
                    () = login.missing_after(LOGIN_TIMEOUT) => {}
                    () = machines.none_for(longest_unused) => {}
                }
            };
            attend(config, stream, connection, idles).await;
            drop(permit);
        });
    }
}

/// Serves a client until it leaves, or `idles` completes.
async fn attend(
    config: Arc<Config>,
    stream: TcpStream,
    connection: Connection,
    idles: impl Future<Output = ()>,
) {
    let Ok((stream, socket)) = with_socket(stream) else {
        return;
    };
    let begun = timeout(LOGIN_TIMEOUT, run_stream(config, stream, connection)).await;
    let Ok(Ok(mut running)) = begun else {
        return;
    };
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = idles => {
            // Dropping the session does not end it. The client may have closed it already.
            let _ = socket.shutdown(Shutdown::Both);
            running.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the jump host has ended");
    }
}

/// The stream, and the same socket, to end it at once whatever the protocol's task waits for.
fn with_socket(stream: TcpStream) -> io::Result<(TcpStream, StdTcpStream)> {
    // Keystrokes are small.
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let socket = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, socket))
}

fn config(key: &JumpHostKey) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-infra402")),
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::KeyboardInteractive][..]),
        auth_rejection_time: Duration::from_millis(300),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key.private()],
        max_auth_attempts: MOST_TRIES,
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 3,
        nodelay: true,
        preferred: Preferred {
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}
