//! API keys: bearer tokens that spend a wallet's credit and act for it, within their limits and
//! scopes. [`mod@format`] is their form, [`scopes`] what the free routes ask of them; the paywall asks for
//! the scope of its operation. A key is stored as a digest only, so that a stolen database spends
//! nothing.

pub mod format;
pub mod scopes;
pub mod view;
mod watch;

use api_types::{ErrorCode, KeyScope};
use axum::{
    RequestPartsExt as _,
    extract::{MatchedPath, RawPathParams},
    http::request::Parts,
};
use pve::Vmid;

use self::{
    format::{Mistyped, PresentedKey},
    scopes::RouteScope,
};
use crate::{
    config::PaymentConfig,
    error::ApiError,
    ids::{LeaseId, Wallet},
    state::App,
    store::{ApiKey, StoreError},
};
pub use watch::{MESSAGE, announce_end, ended, is_good};

/// Good keys that a wallet may have.
pub const MOST_KEYS: u32 = 100;

/// Whether the keys of this installation are those of a test network or the demo.
pub fn are_for_test(payments: &PaymentConfig) -> bool {
    payments.network.testnet
}

/// The key of a bearer token; `None` if it does not have the form of one.
///
/// # Errors
/// It is mistyped, unknown, of another network, revoked or expired; or the store failed.
pub async fn authenticate(app: &App, token: &str) -> Result<Option<ApiKey>, ApiError> {
    let Some(presented) = format::parse(token) else {
        return Ok(None);
    };
    if app.config.credit.is_none() {
        return Err(refused("This service takes no API keys."));
    }
    let PresentedKey { digits, test } = presented.map_err(|Mistyped| {
        refused("The API key has a character that is wrong: its check sum does not fit.")
    })?;
    let for_test = are_for_test(&app.config.payments);
    if test.is_some_and(|test| test != for_test) {
        return Err(refused(
            "The API key is of another network than this service's.",
        ));
    }
    let key = app.store.key_by_hash(&digits.hash()).await?;
    let key = key
        .filter(|key| key.test == for_test)
        .ok_or_else(|| refused("The API key is not known here."))?;
    check_good(&key, app.now())?;
    Ok(Some(key))
}

/// Checks that a key is neither revoked, switched off nor expired.
///
/// # Errors
/// It is.
pub fn check_good(key: &ApiKey, now: i64) -> Result<(), ApiError> {
    if key.revoked_at.is_some() {
        return Err(revoked());
    }
    if key.disabled {
        let message = "The API key is switched off; nothing was charged.";
        return Err(ApiError::new(ErrorCode::KeyRevoked, message)
            .with("keyId", key.key_id.as_str())
            .advise("its owner switches it on again: PATCH /keys/{id}"));
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(expired());
    }
    Ok(())
}

/// The error about a key that was revoked.
pub fn revoked() -> ApiError {
    ApiError::new(
        ErrorCode::KeyRevoked,
        "The API key was revoked; nothing was charged.",
    )
}

/// The error about a key that has expired.
pub fn expired() -> ApiError {
    ApiError::new(
        ErrorCode::KeyExpired,
        "The API key has expired; nothing was charged.",
    )
}

fn refused(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, message)
        .advise("sign in with the wallet and make another one: POST /keys")
}

/// Checks that a key has a scope.
///
/// # Errors
/// It has not.
pub fn check_scope(key: &ApiKey, scope: KeyScope) -> Result<(), ApiError> {
    if key.scopes.contains(&scope) {
        return Ok(());
    }
    let message = format!(
        "The API key may not do this: it has no scope {}.",
        scope.as_str()
    );
    Err(ApiError::new(ErrorCode::KeyScope, message).with("scope", scope.as_str()))
}

/// Checks that a key may act on a lease; `None` where it would be a new one, or all of them.
///
/// # Errors
/// It is bound to another lease.
pub fn check_lease(key: &ApiKey, lease_id: Option<&LeaseId>) -> Result<(), ApiError> {
    match &key.lease_id {
        Some(bound) if lease_id != Some(bound) => {
            let message = "The API key is good for one lease only, and this is not about that one.";
            Err(ApiError::new(ErrorCode::KeyScope, message).with("leaseId", bound.as_str()))
        }
        _ => Ok(()),
    }
}

/// Checks whether a key may use a free route, and notes its use.
///
/// # Errors
/// It may not, or the store failed.
pub async fn authorize(app: &App, parts: &mut Parts, key: &ApiKey) -> Result<(), ApiError> {
    let path = parts.extensions.get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    match scopes::of_route(&parts.method, path) {
        RouteScope::Needs(scope) => check_scope(key, scope)?,
        RouteScope::AnyKey => {}
        RouteScope::SessionOnly => {
            let message = "This needs a session of the wallet; an API key is not enough.";
            return Err(ApiError::new(ErrorCode::KeyScope, message)
                .advise("POST /session/challenge, sign the text, POST /session"));
        }
    }
    if key.lease_id.is_some() && !scopes::serves_keys_of_a_lease(path) {
        let lease_id = lease_of_request(app, parts, &key.wallet).await?;
        check_lease(key, lease_id.as_ref())?;
    }
    if !key.is_marked_used(app.now()) {
        app.store.mark_key_used(&key.key_id, app.now()).await?;
    }
    Ok(())
}

/// The lease that a request is about by its path, as the routes find it.
async fn lease_of_request(
    app: &App,
    parts: &mut Parts,
    wallet: &Wallet,
) -> Result<Option<LeaseId>, StoreError> {
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let named = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "leaseId");
    let Ok(parameters) = parts.extract::<RawPathParams>().await else {
        return Ok(None);
    };
    let names = ["ctid", "lease", "leaseId"];
    let Some((_, text)) = parameters.iter().find(|(name, _)| names.contains(name)) else {
        return Ok(None);
    };
    let Ok(vmid) = text.parse::<Vmid>() else {
        return Ok(Some(text.into()));
    };
    if let Some((_, lease_id)) = named {
        return Ok(Some(lease_id.into_owned().into()));
    }
    let live = app.store.lease_by_vmid(vmid).await?;
    if let Some(lease) = live.filter(|lease| lease.owner == *wallet) {
        return Ok(Some(lease.lease_id));
    }
    let over = app.store.last_lease_of(wallet, vmid).await?;
    Ok(over.map(|lease| lease.lease_id))
}
