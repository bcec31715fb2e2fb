//! From a router to a running service: bind with an error that says what to change, serve, and on SIGINT or SIGTERM
//! let the open connections finish until a deadline. Workers watch the same [`Shutdown`].

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tower_http::timeout::RequestBodyTimeoutLayer;

/// The longest pause between two pieces of a request's body. Whoever sends half of one must not hold a connection for ever.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

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

/// Tells every part of the process that it should end. Clones watch the same request.
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
    /// One that somebody in the process triggers, such as a test.
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
                tracing::info!(signal = name, "asked to stop");
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
            // The trigger is gone, so nobody can ask any more.
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
/// Handlers can take `ConnectInfo<SocketAddr>`.
///
/// # Errors
///
/// The listener failed for good; single connections that fail do not count.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    shutdown: Shutdown,
    grace: Duration,
) -> io::Result<Ending> {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "listening");
    }
    // Answers are small and wanted at once: no waiting for more to send.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays without TCP_NODELAY");
        }
    });
    let service = impatient(app, BODY_PATIENCE).into_make_service_with_connect_info::<SocketAddr>();
    let stop = shutdown.clone();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(async move { stop.requested().await });
    tokio::select! {
        outcome = serving.into_future() => outcome.map(|()| Ending::Drained),
        () = patience_ends(&shutdown, grace) => {
            tracing::warn!("stopping with open connections");
            Ok(Ending::Cut)
        }
    }
}

/// The same, giving up on a body of which nothing more comes for so long: reading it is then an error.
fn impatient(app: Router, pause: Duration) -> Router {
    app.layer(RequestBodyTimeoutLayer::new(pause))
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
