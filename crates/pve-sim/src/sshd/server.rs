//! Takes the connections that the simulator hands in, and serves each.

use std::io;
use std::net::TcpStream as StdTcpStream;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::keys::{Algorithm, PrivateKey};
use russh::server::Config;
use russh::{MethodKind, MethodSet, SshId};
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::connection::{Connection, Login};
use super::forward::{OwnSsh, to_localhost};
use super::guest::GuestArguments;
use super::handing::{self, ConnectionOrder};
use super::penalties::{Failure, Penalties};
use super::report;
use crate::socks::{Reply, reply};

/// Signals that a program must get although the simulator itself ignores them, as one that a shell
/// runs in the background does: a handler is not inherited, an ignored signal is.
const RESET: [SignalKind; 7] = [
    SignalKind::interrupt(),
    SignalKind::quit(),
    SignalKind::hangup(),
    SignalKind::terminate(),
    SignalKind::alarm(),
    SignalKind::user_defined1(),
    SignalKind::user_defined2(),
];

/// What all connections of one container share.
struct Guest {
    arguments: Arc<GuestArguments>,
    penalties: Penalties,
    /// The key of an impostor.
    other_key: PrivateKey,
}

/// Serves until the simulator ends.
pub(super) fn serve(arguments: GuestArguments) -> io::Result<u8> {
    // Programs find the server as the leader of their session, as they find sshd's.
    rustix::process::setsid()?;
    // One thread keeps the memory small that a customer pays for.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut handlers = Vec::new();
        for kind in RESET {
            handlers.push(signal(kind)?);
        }
        let (orders, mut received) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("orders".into())
            .spawn(move || take_orders(&orders))?;
        let random = &mut russh::keys::key::safe_rng();
        let guest = Arc::new(Guest {
            penalties: Penalties::default(),
            other_key: PrivateKey::random(random, Algorithm::Ed25519).map_err(io::Error::other)?,
            arguments: Arc::new(arguments),
        });
        while let Some((connection, order)) = received.recv().await {
            tokio::spawn(take(guest.clone(), connection, order));
        }
        Ok(0)
    })
}

/// Receives orders until the simulator has gone.
fn take_orders(orders: &mpsc::Sender<(OwnedFd, ConnectionOrder)>) {
    loop {
        match handing::receive(rustix::stdio::stdin()) {
            Ok(Some(order)) => {
                if orders.blocking_send(order).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                report(&format!("a connection cannot be taken: {error}"));
                return;
            }
        }
    }
}

/// Serves one connection.
async fn take(guest: Arc<Guest>, connection: OwnedFd, order: ConnectionOrder) {
    let connection = StdTcpStream::from(connection);
    let stream = connection
        .set_nonblocking(true)
        .and_then(|()| connection.set_nodelay(true))
        .and_then(|()| TcpStream::from_std(connection));
    let served = match stream {
        Ok(stream) if order.port == 22 => guest.serve_ssh(stream, &order).await,
        Ok(stream) => forward(stream, &order).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::debug!(%error, port = order.port, "a connection has ended");
    }
}

/// Connects to a port of the container itself, and answers the client.
async fn forward(mut client: TcpStream, order: &ConnectionOrder) -> io::Result<()> {
    match to_localhost(order.port).await {
        Ok(mut server) => {
            answer(&mut client, order, Reply::Succeeded).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
            Ok(())
        }
        Err(_) => answer(&mut client, order, Reply::ConnectionRefused).await,
    }
}

async fn answer(client: &mut TcpStream, order: &ConnectionOrder, text: Reply) -> io::Result<()> {
    match order.answered {
        true => Ok(()),
        false => client.write_all(&reply(text)).await,
    }
}

impl Guest {
    async fn serve_ssh(
        self: Arc<Self>,
        mut stream: TcpStream,
        order: &ConnectionOrder,
    ) -> io::Result<()> {
        let keys = self.host_keys(order);
        if keys.is_empty() || order.defects.no_server {
            // A server without host keys does not start.
            return answer(&mut stream, order, Reply::ConnectionRefused).await;
        }
        answer(&mut stream, order, Reply::Succeeded).await?;
        let peer = order.peer.ip();
        let punishes = order.defects.penalties;
        if punishes && self.penalties.forbid(peer, Instant::now()) {
            return stream.write_all(b"Not allowed at this time\r\n").await;
        }
        let login = Login::default();
        let own_ssh = self.own_ssh(order);
        let arguments = self.arguments.clone();
        let connection = Connection::new(arguments, order.clone(), login.clone(), own_ssh);
        let config = Arc::new(config(keys, punishes));
        let ended = match russh::server::run_stream(config, stream, connection).await {
            Ok(running) => running.await,
            Err(error) => Err(error),
        };
        if punishes && let Some(failure) = login.failure() {
            self.penalties.add(peer, failure, Instant::now());
        }
        ended.map_err(io::Error::other)
    }

    /// The way from a login in the container back to its SSH server.
    fn own_ssh(self: &Arc<Self>, order: &ConnectionOrder) -> OwnSsh {
        let (guest, order) = (self.clone(), order.clone());
        Arc::new(move |stream| {
            tokio::spawn(guest.clone().serve_inside(stream, order.clone()));
        })
    }

    /// Serves a connection that comes from the container itself. Boxed, because such a connection
    /// may lead to a further one.
    fn serve_inside(
        self: Arc<Self>,
        stream: DuplexStream,
        order: ConnectionOrder,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let config = Arc::new(config(self.host_keys(&order), false));
            let own_ssh = self.own_ssh(&order);
            let arguments = self.arguments.clone();
            let connection = Connection::new(arguments, order, Login::default(), own_ssh);
            // The client may break off at any time.
            if let Ok(running) = russh::server::run_stream(config, stream, connection).await {
                let _ = running.await;
            }
        })
    }

    /// The keys in the container's folder, read anew for each connection, so that keys that the
    /// tenant makes are shown without a restart.
    fn host_keys(&self, order: &ConnectionOrder) -> Vec<PrivateKey> {
        if order.defects.other_host_key {
            return vec![self.other_key.clone()];
        }
        ["ed25519", "ecdsa"]
            .iter()
            .filter_map(|kind| {
                let path = self.arguments.etc_ssh.join(format!("ssh_host_{kind}_key"));
                PrivateKey::read_openssh_file(&path).ok()
            })
            .collect()
    }
}

/// Debian 12's server, or Debian 13's where it punishes.
fn config(keys: Vec<PrivateKey>, punishes: bool) -> Config {
    let name = match punishes {
        true => "SSH-2.0-OpenSSH_10.0p2 Debian-7",
        false => "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7",
    };
    Config {
        server_id: SshId::Standard(name.into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::from_millis(5),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys,
        max_auth_attempts: 6,
        inactivity_timeout: None,
        ..Config::default()
    }
}

impl Login {
    fn failure(&self) -> Option<Failure> {
        match (self.succeeded(), self.was_tried()) {
            (true, _) => None,
            (false, true) => Some(Failure::WrongKey),
            (false, false) => Some(Failure::NoLogin),
        }
    }
}
