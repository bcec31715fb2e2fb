//! From a router to a running service: bind with an error that says what to change, serve, and on SIGINT or SIGTERM
//! let the open connections finish until a deadline. Workers watch the same [`Shutdown`].

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use limits::Connections;
pub use limits::Limits;

mod body;
mod limits;

/// The backoff after the system refused a connection, as it does while the process has too many
/// files open.
const ACCEPT_BACKOFF: Duration = Duration::from_secs(1);

/// Why the service cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process, perhaps an older copy of this one, has the port.
    #[error(
        "{address} is already in use; stop what listens there, or set {variable} to a free port"
    )]
    InUse {
        /// Where the service should have listened.
        address: SocketAddr,
        /// The variable that names the port.
        variable: String,
    },
    /// The system refuses this address: not ours, or a port below 1024 without the right to it.
    #[error("cannot listen on {address}: {source}; set {variable} to another value")]
    Refused {
        /// Where the service should have listened.
        address: SocketAddr,
        /// The variable that names the port.
        variable: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Listens on `address`; port 0 takes any free one. `variable` is the setting that a person would change.
///
/// # Errors
///
/// [`BindError`] names the address and the variable.
pub async fn bind(address: SocketAddr, variable: &str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| {
        let variable = variable.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, variable },
            _ => BindError::Refused {
                address,
                variable,
                source,
            },
        }
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Stopping,
    Insisting,
}

/// Tells every part of the process to end. Clones watch the same request.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

/// Asks for the end; the other side of a [`Shutdown`]. Dropping it asks for nothing.
#[derive(Debug, Clone)]
pub struct ShutdownTrigger(watch::Sender<Phase>);

impl ShutdownTrigger {
    /// The first call asks to finish in good order, the second not to wait any longer.
    pub fn request(&self) {
        self.0.send_modify(|phase| {
            *phase = match phase {
                Phase::Running => Phase::Stopping,
                Phase::Stopping | Phase::Insisting => Phase::Insisting,
            }
        });
    }
}

impl Shutdown {
    /// One that code in the process triggers, such as a test.
    pub fn manual() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Requested by SIGINT or SIGTERM; a second signal ends the wait for open connections. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// The system does not let us handle a signal.
    pub fn on_signals() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (trigger, shutdown) = Self::manual();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                trigger.request();
                tracing::info!(signal = name, "the service was asked to stop");
            }
        });
        Ok(shutdown)
    }

    /// Completes when the end is asked for.
    pub async fn requested(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// Whether the end has been asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() >= Phase::Stopping
    }

    /// Completes when the end is asked for a second time.
    pub async fn insisted(&self) {
        self.reached(Phase::Insisting).await;
    }

    async fn reached(&self, wanted: Phase) {
        let mut phase = self.0.clone();
        if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
            // The trigger was dropped, so no request can come any more.
            std::future::pending::<()>().await;
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every connection was finished.
    Drained,
    /// The deadline passed or the stop was insisted on; what was still open ends with the runtime.
    Cut,
}

/// Serves until `shutdown` is requested, then takes no new connection and gives the open ones `grace` to finish.
/// Handlers can take `ConnectInfo<SocketAddr>`. A connection beyond the `limits` is closed at once.
///
/// # Errors
///
/// The listener failed for good; single connections that fail do not count.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    shutdown: Shutdown,
    grace: Duration,
    limits: Limits,
) -> io::Result<Ending> {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "the service is listening");
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    let places = Connections::new(&limits);
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_the_peers(&error) => continue,
                Err(error) => {
                    tracing::error!(%error, "the listener cannot accept a connection and retries");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            () = shutdown.requested() => break,
        };
        let Some(place) = places.place(peer.ip()) else {
            continue;
        };
        let serving = attend(
            http.clone(),
            (stream, peer),
            app.clone(),
            shutdown.clone(),
            limits,
        );
        connections.spawn(async move {
            serving.await;
            drop(place);
        });
    }
    // Closed, so that new connections are refused at once.
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = drained => Ok(Ending::Drained),
        () = patience_ends(&shutdown, grace) => {
            tracing::warn!("the service stops with open connections");
            Ok(Ending::Cut)
        }
    }
}

/// Serves one connection, until its request is answered once the end is asked for.
async fn attend(
    http: http1::Builder,
    (stream, peer): (TcpStream, SocketAddr),
    app: Router,
    shutdown: Shutdown,
    limits: Limits,
) {
    // Responses are small, so Nagle's algorithm would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays without TCP_NODELAY");
    }
    if let Err(error) = give_up_unread(&stream, limits.unread) {
        tracing::debug!(%error, "a connection stays without TCP_USER_TIMEOUT");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(|body| body::within(limits.body, body));
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection.with_upgrades());
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Whether the error is about one connection that its peer gave up, and not about the listener.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Lets the system end a connection whose peer takes nothing of what was sent for so long.
#[cfg(target_os = "linux")]
fn give_up_unread(stream: &TcpStream, time: Duration) -> io::Result<()> {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?)
}

/// Other systems have no such option, or one by another name.
#[cfg(not(target_os = "linux"))]
fn give_up_unread(_stream: &TcpStream, _time: Duration) -> io::Result<()> {
    Ok(())
}

async fn patience_ends(shutdown: &Shutdown, grace: Duration) {
    shutdown.requested().await;
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        () = shutdown.insisted() => {}
    }
}

#[cfg(test)]
mod tests;
