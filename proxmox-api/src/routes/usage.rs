//! `GET /lease/{lease}/usage`: what a lease's container uses and has sent, for its owner.

use api_types::{UsageResponse, UsageTimeframe};
use axum::{
    Extension, Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use serde::Deserialize;
use service::request_id::RequestId;

use super::{Query, lease_selector, limited, private};
use crate::{App, error::ApiError, ids::Wallet, lease::view::usage, sessions::WalletSession};

/// The route.
pub fn router(app: &App) -> Router<App> {
    limited::per_caller(Router::new().route("/lease/{lease}/usage", get(show)), app)
}

/// How far back is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    timeframe: UsageTimeframe,
}

async fn show(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    private(
        &id,
        of(&app, &session.wallet, &lease, wanted.timeframe).await,
    )
}

async fn of(
    app: &App,
    wallet: &Wallet,
    lease: &str,
    timeframe: UsageTimeframe,
) -> Result<UsageResponse, ApiError> {
    let lease = lease_selector::find_by_id_or_vmid(app, wallet, lease).await?;
    usage::show_usage(app, &lease, timeframe).await
}
