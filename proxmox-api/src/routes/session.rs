//! `POST /session/challenge`, `POST /session`, `DELETE /session`: signing in with a wallet, and out
//! again.

use alloy::primitives::Address;
use api_types::{
    FieldError, SessionChallenge, SessionChallengeRequest, SessionRequest, SessionResponse,
};
use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use service::request_id::RequestId;

use super::{Body, limited, private};
use crate::{
    App,
    error::ApiError,
    paywall::body,
    sessions::{self, WalletSession, message::SignInPage},
};

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let limited = Router::new()
        .route("/session/challenge", post(challenge))
        .route("/session", post(open).delete(close));
    limited::per_caller(limited, app)
}

async fn challenge(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    private(&id, make_challenge(&app, &headers, &body).await)
}

async fn make_challenge(
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<SessionChallenge, ApiError> {
    let request: SessionChallengeRequest = body::read(body, |_| Ok(()))?;
    let address = address(&request.address)?;
    let chain_id = request
        .chain_id
        .unwrap_or(app.config.payments.network.chain_id);
    sessions::challenge(
        app,
        address,
        chain_id,
        SignInPage::from_headers(&app.config, headers),
    )
    .await
}

/// An account as a body names it.
///
/// # Errors
/// It is not `0x` and 40 hexadecimal digits.
pub(super) fn address(text: &str) -> Result<Address, ApiError> {
    let read = text.starts_with("0x").then(|| text.parse().ok()).flatten();
    read.ok_or_else(|| {
        let message = "has to be 0x and 40 hexadecimal digits";
        ApiError::invalid(vec![FieldError::new("address", message)])
    })
}

async fn open(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Body(body): Body,
) -> Response {
    private(&id, sign_in(&app, &body).await)
}

async fn sign_in(app: &App, body: &[u8]) -> Result<SessionResponse, ApiError> {
    let request: SessionRequest = body::read(body, |_| Ok(()))?;
    sessions::open(app, &request).await
}

/// Ends the session that it is sent with.
async fn close(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
) -> Response {
    match app.store.end_session(&session.token_hash).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => ApiError::from(error).respond(&id),
    }
}
