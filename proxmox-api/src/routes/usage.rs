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

use super::{Query, limited, meant, private};
use crate::{App, error::ApiError, ids::Wallet, lease::usage, sessions::WalletSession};

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
    let lease = meant::find_either(app, wallet, lease).await?;
    usage::of_lease(app, &lease, timeframe).await
}
