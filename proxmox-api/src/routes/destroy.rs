//! `DELETE /lease/{ctid}`: ends a lease early, for its owner. Asked again, it answers the same.

use api_types::{ErrorCode, LeaseView};
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::delete,
};
use serde::Deserialize;
use service::request_id::RequestId;

use super::{Query, leases::foreign, no_store};
use crate::{
    App,
    error::ApiError,
    lease::{
        destroy::{Ended, destroy},
        view,
    },
    operations,
    sessions::Session,
    store::Lease,
};

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/lease/{ctid}", delete(end))
}

/// Numbers are used again: who repeats a request names the lease that is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Meant {
    lease_id: Option<String>,
}

async fn end(
    session: Session,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(ctid): Path<String>,
    Query(meant): Query<Meant>,
) -> Response {
    match end_lease(&app, &session.wallet, &ctid, meant.lease_id.as_deref()).await {
        Ok((status, view)) => no_store((status, Json(view)).into_response()),
        Err(error) => error.respond(&id),
    }
}

async fn end_lease(
    app: &App,
    wallet: &str,
    ctid: &str,
    lease_id: Option<&str>,
) -> Result<(StatusCode, LeaseView), ApiError> {
    let lease = find(app, wallet, ctid, lease_id).await?;
    let (status, lease) = match destroy(app, lease).await? {
        Ended::Gone(lease) => (StatusCode::OK, lease),
        Ended::Going(lease) => (StatusCode::ACCEPTED, lease),
    };
    Ok((status, view::of_lease(app, &lease).await?))
}

/// The lease that holds the number now, or the wallet's last one that did.
async fn find(
    app: &App,
    wallet: &str,
    ctid: &str,
    lease_id: Option<&str>,
) -> Result<Lease, ApiError> {
    let vmid = operations::vmid_in_path(Some(ctid))?;
    let not_found = |message: &str| ApiError::new(ErrorCode::LeaseNotFound, message);
    if let Some(lease_id) = lease_id {
        let lease = app.store.lease(lease_id).await?;
        let lease = lease
            .filter(|lease| lease.vmid == vmid)
            .ok_or_else(|| not_found("There is no such lease with this number."))?;
        return if lease.owner == wallet {
            Ok(lease)
        } else {
            Err(foreign())
        };
    }
    let live = app.store.lease_by_vmid(vmid).await?;
    if let Some(lease) = live.as_ref().filter(|lease| lease.owner == wallet) {
        return Ok(lease.clone());
    }
    let earlier = app.store.leases_by_owner(wallet).await?;
    let earlier = earlier.into_iter().rfind(|lease| lease.vmid == vmid);
    match (live, earlier) {
        (None, Some(over)) => Ok(over),
        (None, None) => Err(not_found("No lease has a container with this number.")),
        (Some(_), None) => Err(foreign()),
        (Some(_), Some(over)) => {
            let message =
                "Your lease with this number is over; the number belongs to another one now.";
            Err(ApiError::new(ErrorCode::LeaseEnded, message)
                .with("leaseId", over.lease_id.as_str()))
        }
    }
}
