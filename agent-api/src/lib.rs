//! The chat agent: makes calls of the lease API from a customer's sentences, and payment requests
//! from its 402 responses.
//!
//! `config` is read once; [`state::App`] is the shared state. Only `routes` know HTTP. The
//! [`driver`] performs the effects of a [`turn`], a pure state machine: it asks the `llm`, plans
//! calls by the `tools` and sends them by the `lease_api`. A call that has to be paid or confirmed
//! is sealed as [`pending`] and resumed when the customer brings it back, within the [`policy`].

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
mod typed_secrets;
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
/// How long each readiness check may take.
const READINESS_TIMEOUT: Duration = Duration::from_secs(3);

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
    Readiness::new(READINESS_TIMEOUT)
        .check("lease API", move || {
            let app = backend.clone();
            async move {
                let caller = lease_api::RequestContext {
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
