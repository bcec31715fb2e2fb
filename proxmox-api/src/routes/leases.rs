//! `GET /leases`, `GET /leases/{leaseId}`: the leases of the wallet that is signed in.

use api_types::{ErrorCode, FieldError, LeaseStatus, LeaseView, ListResponse};
use axum::{
    Extension, Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use serde::Deserialize;
use service::request_id::RequestId;

use super::{Query, private};
use crate::{
    App,
    error::ApiError,
    ids::{LeaseId, Wallet},
    lease::view::{self, EndedPage, LiveStateNeed},
    sessions::WalletSession,
    store::LARGEST_PAGE,
};

/// Ended leases on a page where the query names no limit.
const PAGE: u32 = 50;

/// The routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/leases", get(list))
        .route("/leases/{leaseId}", get(one))
}

/// The query of `GET /leases`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseQuery {
    /// Those whose container is gone too.
    #[serde(default)]
    all: bool,
    /// Only those in this state.
    status: Option<LeaseStatus>,
    /// The most of those whose container is gone.
    limit: Option<u32>,
    /// Only those whose container is gone, and that are older than this lease.
    before: Option<LeaseId>,
}

impl LeaseQuery {
    /// The page of leases that are over.
    fn ended(&self) -> Result<EndedPage, ApiError> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            let message = format!("has to be from 1 to {LARGEST_PAGE}");
            return Err(bad_query("limit", &message));
        }
        let shown = match self.status {
            Some(status) => status == LeaseStatus::Destroyed,
            None => self.all,
        };
        // Live leases are all on the first page: without those that are over, a later one has
        // nothing.
        let limit = if shown { limit } else { 0 };
        let before = self.before.clone();
        Ok(EndedPage { before, limit })
    }
}

async fn list(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Query(query): Query<LeaseQuery>,
) -> Response {
    let only = session.key.and_then(|key| key.lease_id);
    private(
        &id,
        list_of_wallet(&app, &session.wallet, &query, only).await,
    )
}

async fn list_of_wallet(
    app: &App,
    wallet: &Wallet,
    query: &LeaseQuery,
    only: Option<LeaseId>,
) -> Result<ListResponse, ApiError> {
    let ended = query.ended()?;
    let ListResponse { mut leases, next } =
        view::list_leases(app, wallet, LiveStateNeed::IfPossible, ended).await?;
    leases.retain(|lease| match query.status {
        Some(status) => lease.status == status,
        None => query.all || lease.status != LeaseStatus::Destroyed,
    });
    if let Some(only) = only {
        leases.retain(|lease| only == *lease.lease_id);
    }
    // The order within a rank stays: the youngest first.
    leases.sort_by_key(|lease| rank(lease.status));
    Ok(ListResponse { leases, next })
}

/// The order in the list: running leases, those in the making, ended ones.
fn rank(status: LeaseStatus) -> u8 {
    match status {
        LeaseStatus::Active => 0,
        LeaseStatus::Provisioning | LeaseStatus::Settling | LeaseStatus::Reconciling => 1,
        LeaseStatus::Expiring | LeaseStatus::Stopped => 2,
        LeaseStatus::Undoing | LeaseStatus::Destroyed => 3,
    }
}

async fn one(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease_id): Path<LeaseId>,
) -> Response {
    private(&id, find(&app, &session.wallet, &lease_id).await)
}

async fn find(app: &App, wallet: &Wallet, lease_id: &LeaseId) -> Result<LeaseView, ApiError> {
    let lease = app
        .store
        .lease(lease_id)
        .await?
        .ok_or_else(|| ApiError::new(ErrorCode::LeaseNotFound, "There is no such lease."))?;
    if lease.owner != *wallet {
        return Err(foreign());
    }
    view::show_lease(app, &lease).await
}

/// The lease of another wallet.
pub(super) fn foreign() -> ApiError {
    ApiError::new(
        ErrorCode::Forbidden,
        "The lease belongs to another wallet than the session's.",
    )
}

/// The query of a route does not fit.
pub(super) fn bad_query(field: &str, message: &str) -> ApiError {
    ApiError::invalid(vec![FieldError::new(field, message)])
}
