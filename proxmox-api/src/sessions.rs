//! Wallet sessions: who a bearer token speaks for.

use axum::http::{HeaderMap, header};
use service::crypto;

use crate::state::App;

/// The wallet (lower case) of a request's session, if it has one that is valid.
pub async fn wallet_of(app: &App, headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let hash = crypto::sha256_hex(token.trim());
    match app.store.session_wallet(&hash, app.now()).await {
        Ok(wallet) => wallet,
        Err(error) => {
            tracing::error!(%error, "a session cannot be looked up");
            None
        }
    }
}
