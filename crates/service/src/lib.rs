//! The parts that every service of the workspace shares.
//!
//! A `main` gives [`run()`] a description of the service and a function that serves. `run` reads
//! the configuration by [`mod@env`], which reports all problems at once, starts the log by
//! [`telemetry`], installs the TLS provider by [`crypto`] and the recorder by [`metrics`]. The
//! function merges its router with [`health::router`] and [`metrics::Metrics::router`], wraps it by
//! [`panics::catch`] and [`observe`], and gives it to [`serve`].
//!
//! [`accept`] reads which media types a client accepts; [`caller`] identifies callers and limits
//! their rate; [`concurrency`] and [`semaphore`] limit concurrent work; [`clock`] gives domain code
//! the time; [`command_line`] reads the arguments, and [`probe`] is the command `health`.
//! `openapi`, a feature of the crate, writes OpenAPI documents. No module depends on a particular
//! service.

pub mod accept;
pub mod caller;
pub mod clock;
pub mod command_line;
pub mod concurrency;
pub mod crypto;
pub mod env;
pub mod health;
pub mod metrics;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod panics;
pub mod probe;
pub mod request_id;
mod run;
pub mod semaphore;
pub mod serve;
pub mod telemetry;

pub use command_line::About;
pub use run::{Service, main, run};

/// Wraps a whole router (routes and fallback) in request ids, the access log and the request
/// metrics.
///
/// Call it last: routes that are merged afterwards are neither counted nor logged, and a merge may
/// replace the observed fallback by a plain one.
pub fn observe<S>(router: axum::Router<S>) -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    request_id::track(metrics::count(router))
}
