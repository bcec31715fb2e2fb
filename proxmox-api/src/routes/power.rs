//! `POST /lease/{ctid}/stop`, `POST /lease/{ctid}/start`: the owner stops or starts the container
//! of an active lease. Both are idempotent.

use api_types::LeaseView;
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{MethodRouter, post},
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
    ids::Wallet,
    lease::{
        owner::power::{Power, PowerOutcome, switch},
        view,
    },
    sessions::WalletSession,
};

/// The routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/lease/{ctid}/stop", switching(Power::Off))
        .route("/lease/{ctid}/start", switching(Power::On))
}

fn switching(power: Power) -> MethodRouter<App> {
    post(
        move |session: WalletSession,
              State(app): State<App>,
              Extension(id): Extension<RequestId>,
              Path(ctid): Path<String>,
              Query(meant): Query<LeaseSelector>| async move {
            match switched(&app, &session.wallet, &ctid, &meant, power).await {
                Ok((status, view)) => no_store((status, Json(view)).into_response()),
                Err(error) => error.respond(&id),
            }
        },
    )
}

async fn switched(
    app: &App,
    wallet: &Wallet,
    ctid: &str,
    meant: &LeaseSelector,
    power: Power,
) -> Result<(StatusCode, LeaseView), ApiError> {
    let lease = find(app, wallet, ctid, meant.lease_id.as_ref()).await?;
    let (status, lease) = match switch(app, &lease, power).await? {
        PowerOutcome::Done(lease) => (StatusCode::OK, lease),
        PowerOutcome::Soon(lease) => (StatusCode::ACCEPTED, lease),
    };
    Ok((status, view::show_lease(app, &lease).await?))
}
