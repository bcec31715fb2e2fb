//! The chat agent: turns a customer's sentences into calls of the lease API, and its 402 answers into payment requests.
//!
//! `config` is read once; [`state::App`] is what everything shares. `routes` are HTTP words only; the [`driver`] performs what a
//! [`turn`] (a pure state machine) wants: it asks the `llm`, plans calls by the `tools` and sends them by the `lease_api`. What has
//! to be paid or confirmed is sealed as [`pending`] and goes on when the customer brings it back, within the [`policy`].

pub mod config;
pub mod conversation;
pub mod driver;
pub mod error;
pub mod lease_api;
pub mod limits;
pub mod llm;
pub mod payment;
pub mod pending;
pub mod policy;
pub mod routes;
pub mod state;
pub mod tools;
pub mod turn;
mod typed;
pub mod visible;

use std::time::Duration;

use axum::Router;
use service::{
    health::{self, Readiness},
    metrics::Metrics,
    panics,
};

pub use state::App;

/// The largest body that is read: a sealed call, a history, and a message.
const MAX_BODY: usize = 1024 * 1024;
/// How long each part gets to say that it is ready.
const READY_PATIENCE: Duration = Duration::from_secs(3);

/// The whole service, without a socket.
pub fn app(state: App, metrics: Metrics) -> Router {
    let ready = readiness(&state);
    let cors = routes::cors::layer(&state.config);
    let routes = routes::router()
        .with_state(state)
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .merge(health::router(ready))
        .merge(metrics.router())
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed);
    service::observe(panics::catch(routes, routes::failed).layer(cors))
}

fn readiness(app: &App) -> Readiness {
    let (backend, model) = (app.clone(), app.clone());
    Readiness::new(READY_PATIENCE)
        .check("lease API", move || {
            let app = backend.clone();
            async move {
                let caller = lease_api::Caller {
                    id: "readiness",
                    session: None,
                    address: None,
                };
                match app.lease_api.get("/health", caller).await {
                    Ok(answer) if answer.is_done() => Ok("answers".to_owned()),
                    _ => Err("does not answer".to_owned()),
                }
            }
        })
        .check("model", move || {
            let app = model.clone();
            async move { app.model.check().await }
        })
}
