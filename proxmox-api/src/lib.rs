//! The lease API. So far it quotes and shows its catalogue; the store and the lease's states are
//! there for the paywall and the lease operations that come on top of them.
//!
//! `config` is read once; `routes` are HTTP words only; `store` is SQL only; `lease` is the pure
//! state machine.

pub mod config;
pub mod lease;
pub mod routes;
pub mod store;

use std::{sync::Arc, time::Duration};

use axum::Router;
use service::{
    clock::Clock,
    health::{self, Readiness},
    metrics::Metrics,
};

use config::Config;

/// The largest body that is read.
const MAX_BODY: usize = 256 * 1024;

/// What the routes need.
#[derive(Clone)]
pub struct App {
    /// What the process was told.
    pub config: Arc<Config>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// The whole service, without a socket.
pub fn app(state: App, metrics: Metrics) -> Router {
    let routes = Router::new()
        .merge(routes::catalog::router())
        .merge(routes::quote::router())
        .with_state(state)
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .merge(health::router(Readiness::new(Duration::from_secs(2))))
        .merge(metrics.router())
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed);
    service::observe(routes)
}
