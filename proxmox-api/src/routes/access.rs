//! `/lease/{lease}/access`: the way into a lease's container, for its owner. `GET` tries SSH anew;
//! `POST` sets it up in a container that lacks it.

use api_types::GuestAccess;
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use service::request_id::RequestId;

use super::{commands::active_lease, limited, no_store, private};
use crate::{
    App,
    error::ApiError,
    lease::guest::{
        connect,
        set_up::{SetUpOutcome, set_up as set_up_in},
    },
    sessions::WalletSession,
};

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let routes = Router::new().route("/lease/{lease}/access", get(try_now).post(set_up));
    limited::per_caller(routes, app)
}

async fn try_now(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
) -> Response {
    let tried = async {
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        Ok::<_, ApiError>(connect::try_once(&app, &lease).await)
    };
    private(&id, tried.await)
}

async fn set_up(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
) -> Response {
    let done = async {
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        let outcome = set_up_in(&app, &lease).await?;
        Ok::<_, ApiError>(match outcome {
            SetUpOutcome::Done(access) => (StatusCode::OK, access),
            SetUpOutcome::Soon => (StatusCode::ACCEPTED, connect::access(&app, &lease)),
        })
    };
    match done.await {
        Ok((status, access)) => no_store((status, Json::<GuestAccess>(access)).into_response()),
        Err(error) => error.respond(&id),
    }
}
