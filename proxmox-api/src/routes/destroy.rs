//! `DELETE /lease/{ctid}`: ends a lease early, for its owner. It is idempotent.

use api_types::LeaseView;
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::delete,
};
use service::request_id::RequestId;

use super::{
    Query,
    lease_selector::{LeaseSelector, find},
    no_store,
};
use crate::{
    App,
    error::ApiError,
    ids::{LeaseId, Wallet},
    lease::{
        owner::destroy::{DestroyOutcome, destroy},
        view,
    },
    sessions::WalletSession,
};

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/lease/{ctid}", delete(end))
}

async fn end(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(ctid): Path<String>,
    Query(meant): Query<LeaseSelector>,
) -> Response {
    match end_lease(&app, &session.wallet, &ctid, meant.lease_id.as_ref()).await {
        Ok((status, view)) => no_store((status, Json(view)).into_response()),
        Err(error) => error.respond(&id),
    }
}

async fn end_lease(
    app: &App,
    wallet: &Wallet,
    ctid: &str,
    lease_id: Option<&LeaseId>,
) -> Result<(StatusCode, LeaseView), ApiError> {
    let lease = find(app, wallet, ctid, lease_id).await?;
    let (status, lease) = match destroy(app, lease).await? {
        DestroyOutcome::Removed(lease) => (StatusCode::OK, lease),
        DestroyOutcome::Removing(lease) => (StatusCode::ACCEPTED, lease),
    };
    Ok((status, view::show_lease(app, &lease).await?))
}
