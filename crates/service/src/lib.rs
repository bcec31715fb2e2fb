//! What every service of the workspace needs once, so that none of them grows its own variant.
//!
//! A `main` usually goes through the modules in this order: [`mod@env`] reads the configuration and
//! reports every mistake at once, [`telemetry`] starts the log, [`crypto`] installs the TLS
//! provider, [`metrics`] the recorder; the router is then merged with [`health::router`] and
//! [`metrics::Metrics::router`], wrapped by [`panics::catch`] and [`observe`], and given to
//! [`serve`]. [`accept`] reads what a client accepts; [`caller`] tells who calls and how often,
//! [`concurrency`] how many at a time, [`semaphore`] the same of a number that changes; [`clock`] is how the domain code asks for the time;
//! [`probe`] is how a container asks a service for its health. Nothing here knows a service.

pub mod accept;
pub mod caller;
pub mod clock;
pub mod concurrency;
pub mod crypto;
pub mod env;
pub mod health;
pub mod metrics;
pub mod panics;
pub mod probe;
pub mod request_id;
pub mod semaphore;
pub mod serve;
pub mod telemetry;
pub mod usage;

/// Wraps a whole router (routes and fallback) in request ids, the access log and the request metrics.
///
/// Call it last: what is merged into the router afterwards is neither counted nor logged, and a merge may replace the
/// observed fallback by a plain one.
pub fn observe<S>(router: axum::Router<S>) -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    request_id::track(metrics::count(router))
}
