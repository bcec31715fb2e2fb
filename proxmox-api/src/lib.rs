//! The lease API: time on Linux containers, paid for over HTTP 402.
//!
//! Imports go downwards only; `cargo xtask modules` prints those that do not. From top to bottom:
//!
//! | Modules | What they do |
//! | --- | --- |
//! | [`arguments`], [`commands`], [`doctor`] | the command line, and what the operator runs |
//! | [`routes`], [`ingress`], [`jump`] | HTTP, one file per resource; visitors of published ports; SSH clients |
//! | [`operations`] | what is sold: one file per paid operation |
//! | [`openapi`] | the document of all routes |
//! | [`console`], [`lease`], [`paywall`] | terminals; containers; the order of checks on a paid request |
//! | [`payment`] | performs the life of a payment, which [`payment_machine`] decides |
//! | [`client`], [`sessions`], [`keys`], [`credit`] | who calls, and what they may pay in |
//! | [`replicas`] | where replicas reach each other |
//! | [`state`] | [`App`], which all of the above share |
//! | [`installation`], [`memory`], [`proxmox`], [`tariffs`], [`locks`], [`shares`] | what [`App`] holds |
//! | [`config`], [`store`] | the configuration; SQL |
//! | [`brake`], [`error`], [`ids`], [`payment_machine`] | pure rules and types |
//!
//! Where to look:
//!
//! * The window of a payment is checked in `paywall::gate`, by `x402::check::terms`, and once more
//!   by the facilitators of this service, in `x402::facilitator`.
//! * A request is answered 202 for one of two reasons. The customer sent `Prefer: respond-async`:
//!   `paywall::respond` decides, `paywall::respond_async` writes. Or the outcome of a lease's
//!   payment is unknown: [`payment_machine`] and `paywall::replay` decide,
//!   `operations::lease_container` writes.
//! * The locks of leases, payments and links are fields of [`App`]. A terminal is guarded by
//!   `pve::TerminalLocks` in a process and by `terminals` among replicas.
//! * A field of a lease is in several files; docs/ARCHITECTURE.md, "How to add a field of a lease",
//!   lists them in order.

pub mod arguments;
pub mod brake;
#[cfg(feature = "chaos")]
mod chaos;
pub mod client;
pub mod commands;
pub mod config;
pub mod console;
pub mod credit;
pub mod doctor;
pub mod error;
pub mod failed_payments;
pub mod ids;
pub mod ingress;
pub mod installation;
pub mod jump;
pub mod keys;
pub mod lease;
pub mod locks;
pub mod memory;
pub mod openapi;
pub mod operations;
pub mod payment;
pub mod payment_machine;
pub mod paywall;
pub mod progress;
pub mod proof_limits;
pub mod proxmox;
pub mod replicas;
pub mod routes;
pub mod sessions;
mod shared_rates;
pub mod shares;
pub mod state;
pub mod store;
pub mod tariffs;
mod terminals;
mod timestamp;

use std::{sync::Arc, time::Duration};

use axum::Router;
use service::{
    clock::{Clock, SystemClock},
    health::{self, Readiness},
    metrics::Metrics,
    panics,
};
use tokio::task::JoinSet;
use x402::facilitator::FacilitatorError;

pub use state::App;

/// A log target that is kept out of the log: the HTTP client names the host that it connects to,
/// and the address of Proxmox is private.
pub const NOISY_LOG_TARGET: &str = "hyper_util::client";

/// A log target that is kept out of the log: the PostgreSQL client writes the values of statements,
/// such as clients' addresses.
pub const SQL_VALUES_LOG_TARGET: &str = "tokio_postgres::query";

/// The largest body that is read.
const MAX_BODY: usize = 256 * 1024;
/// How long each check of readiness may take.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// The clock of this process: the system's, or that of a chaos campaign.
#[must_use]
pub fn clock() -> Arc<dyn Clock> {
    #[cfg(feature = "chaos")]
    if let Some(clock) = chaos::clock() {
        return clock;
    }
    Arc::new(SystemClock)
}

/// The whole service, without a socket.
pub fn app(state: App, metrics: Metrics) -> Router {
    let ready = readiness(&state);
    let cors = routes::cors::layer(&state.config);
    let routes = routes::router(&state)
        .with_state(state.clone())
        .layer(axum::middleware::from_fn_with_state(
            state,
            client::identify,
        ))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .merge(health::router(ready))
        .merge(metrics.router())
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed);
    service::observe(panics::catch(routes, routes::failed).layer(cors))
}

/// Resumes what a crash interrupted and starts the workers, which stop when the set is dropped.
///
/// # Errors
/// The store failed.
pub async fn start_work(app: &App) -> anyhow::Result<JoinSet<()>> {
    operations::sweep::recover(app).await?;
    replicas::announce(app).await?;
    let mut workers = JoinSet::new();
    if app.config.replica_address.is_some() {
        workers.spawn(replicas::run(app.clone()));
    }
    workers.spawn(lease::ending::expiry::run(app.clone()));
    workers.spawn(lease::network::links::run(app.clone()));
    workers.spawn(lease::comparing::reconcile::run(app.clone()));
    workers.spawn(operations::sweep::run(app.clone()));
    if let Some(locks) = app.advisory_locks.clone() {
        workers.spawn(shared_rates::run(app.clone(), locks.clone()));
        workers.spawn(console::takeover::listen(app.clone(), locks));
    }
    Ok(workers)
}

/// Examines the installation and logs what is wrong.
pub async fn examine(app: App) {
    let clock = app.clock.as_ref();
    let findings =
        doctor::examine(&app.config, &app.proxmox, app.facilitator.as_ref(), clock).await;
    doctor::report::warn(&findings);
}

fn readiness(app: &App) -> Readiness {
    let (store, proxmox, offer, payments) = (app.clone(), app.clone(), app.clone(), app.clone());
    Readiness::new(READY_TIMEOUT)
        .check("store", move || {
            let app = store.clone();
            async move {
                let written = app.store.prove_writable(app.now()).await;
                written
                    .map(|()| "answers".into())
                    .map_err(|_| "does not answer".into())
            }
        })
        .check("proxmox", move || {
            let app = proxmox.clone();
            async move {
                let version = app.proxmox.client.version().await;
                // The cause may name the host, and this page is public.
                version
                    .map(|_| "answers".into())
                    .map_err(|_| "does not answer".into())
            }
        })
        .check("offer", move || {
            let app = offer.clone();
            async move { app.proxmox.offer().await.map_err(str::to_owned) }
        })
        .check("facilitator", move || {
            let app = payments.clone();
            async move {
                let supported = app.facilitator.supported().await;
                let supported = supported.map_err(|_| "does not answer".to_owned())?;
                let network = app.config.payments.network;
                let serves = supported.kinds.iter().any(|kind| {
                    kind.scheme == "exact"
                        && x402::network::Network::by_name(&kind.network) == Some(network)
                });
                if !serves {
                    return Err(format!("does not settle on {}", network.display_name));
                }
                // This text is made for the public; other errors may name hosts.
                match app.facilitator.ready().await {
                    Ok(()) => Ok(format!("settles on {}", network.display_name)),
                    Err(FacilitatorError::NotReady(why)) => Err(format!("cannot settle: {why}")),
                    Err(_) => Err("does not answer".to_owned()),
                }
            }
        })
}
