//! Serves a router: binds with an error that names the variable to change, serves, and on SIGINT or
//! SIGTERM lets open connections finish until a deadline. Workers watch the same [`Shutdown`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::{
    Router,
    extract::ConnectInfo,
    http::{HeaderValue, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

pub use body::BodyTimeout;
use limits::Connections;
pub use limits::ServerLimits;
use linger::{LingeringStream, Unread};

mod body;
mod limits;
mod linger;

/// The backoff after the system refused a connection, for instance because the process has too many
/// files open.
const ACCEPT_BACKOFF: Duration = Duration::from_secs(1);

/// Why the service cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process uses the port, perhaps an older copy of this one.
    #[error(
        "{address} is already in use; stop what listens there, or set {variable} to a free port"
    )]
    InUse {
        /// The address to listen on.
        address: SocketAddr,
        /// The variable that names the port.
        variable: String,
    },
    /// The system refuses this address: it is not on this machine, or the port is below 1024 and
    /// the process has no right to use it.
    #[error("cannot listen on {address}: {source}; set {variable} to another value")]
    Refused {
        /// The address to listen on.
        address: SocketAddr,
        /// The variable that names the port.
        variable: String,
        /// The system's error.
        source: io::Error,
    },
}

/// Listens on `address`; port 0 takes any free port. `variable` is the setting that the operator
/// would change.
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
    StoppingNow,
}

/// The signal to shut down for all parts of the process. Clones watch the same request.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

/// Requests a [`Shutdown`]. Dropping it requests nothing.
#[derive(Debug, Clone)]
pub struct ShutdownTrigger(watch::Sender<Phase>);

impl ShutdownTrigger {
    /// The first call requests a graceful shutdown, the second one an immediate end.
    pub fn request(&self) {
        self.0.send_modify(|phase| {
            *phase = match phase {
                Phase::Running => Phase::Stopping,
                Phase::Stopping | Phase::StoppingNow => Phase::StoppingNow,
            }
        });
    }
}

impl Shutdown {
    /// A shutdown that code in the process triggers, such as a test.
    pub fn manual() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// A shutdown on SIGINT or SIGTERM; a second signal ends the wait for open connections. It
    /// needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// The system refuses a signal handler.
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

    /// Completes when the shutdown is requested.
    pub async fn requested(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// Whether the shutdown has been requested.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() >= Phase::Stopping
    }

    /// Completes when the shutdown is requested a second time.
    pub async fn requested_again(&self) {
        self.reached(Phase::StoppingNow).await;
    }

    async fn reached(&self, wanted: Phase) {
        let mut phase = self.0.clone();
        if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
            // The trigger was dropped, so no request can follow.
            std::future::pending::<()>().await;
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All connections were finished.
    Drained,
    /// The deadline passed or a second request came; open connections end with the runtime.
    Cut,
}

/// Serves until `shutdown` is requested. Then it accepts no new connection and gives the open ones
/// `grace` to finish. Handlers can take `ConnectInfo<SocketAddr>`. A connection over the `limits`
/// is closed at once.
///
/// # Errors
///
/// The listener failed permanently; failures of single connections do not count.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    shutdown: Shutdown,
    grace: Duration,
    limits: ServerLimits,
) -> io::Result<Ending> {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "the service is listening");
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    let permits = Connections::new(&limits);
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
        let Some(permit) = permits.acquire(peer.ip()) else {
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
            drop(permit);
        });
    }
    // Closed at once, so that new connections are refused.
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = drained => Ok(Ending::Drained),
        () = grace_ended(&shutdown, grace) => {
            tracing::warn!("the service stops with open connections");
            Ok(Ending::Cut)
        }
    }
}

/// Serves one connection. After a requested shutdown it ends once its current request has a
/// response.
async fn attend(
    http: http1::Builder,
    (stream, peer): (TcpStream, SocketAddr),
    app: Router,
    shutdown: Shutdown,
    limits: ServerLimits,
) {
    // Responses are small, so Nagle's algorithm would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays without TCP_NODELAY");
    }
    if let Err(error) = give_up_unread(&stream, limits.unread) {
        tracing::debug!(%error, "a connection stays without TCP_USER_TIMEOUT");
    }
    let unread = Unread::default();
    let stream = LingeringStream::new(stream, unread.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let timeout = BodyTimeout::default();
        let mut request = request.map(|body| body::within(limits.body, body, &timeout, &unread));
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(timeout);
        let (response, unread) = (app.clone().oneshot(request), unread.clone());
        async move {
            let mut response = response.await?;
            // The connection is closed after it. A client that is not told so may send its next
            // request on it.
            if unread.get() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
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

/// Whether the error concerns one connection that its peer aborted, and not the listener.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Sets the time after which the system ends a connection whose peer receives no sent data.
#[cfg(target_os = "linux")]
fn give_up_unread(stream: &TcpStream, time: Duration) -> io::Result<()> {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?)
}

/// Other systems have no such option, or one with another name.
#[cfg(not(target_os = "linux"))]
fn give_up_unread(_stream: &TcpStream, _time: Duration) -> io::Result<()> {
    Ok(())
}

async fn grace_ended(shutdown: &Shutdown, grace: Duration) {
    shutdown.requested().await;
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        () = shutdown.requested_again() => {}
    }
}

#[cfg(test)]
mod tests;
