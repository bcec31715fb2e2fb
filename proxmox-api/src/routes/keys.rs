//! `POST /keys`, `GET /keys`, `GET | PATCH | DELETE /keys/{id}`, `GET /keys/current`: the API keys
//! of a wallet. Its session makes and changes them, since a key can make no other; a key sees itself.
//! Where credit is off the routes do not exist.

use api_types::{ErrorCode, KeyChange, KeyCreated, KeyList, KeyRequest, KeyView, Secret};
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use service::request_id::RequestId;

use super::{Body, limited, no_store, private};
use crate::{
    App,
    error::ApiError,
    ids::{KeyId, Wallet},
    keys::{self, MOST_KEYS, format::KeyDigits, view},
    paywall::body,
    sessions::WalletSession,
    store::ApiKey,
};

/// Tries to make a key whose public id no other has.
const TRIES: u32 = 4;

/// The routes.
pub fn router(app: &App) -> Router<App> {
    if app.config.credit.is_none() {
        return Router::new();
    }
    let routes = Router::new()
        .route("/keys", post(make).get(list))
        .route("/keys/current", get(current))
        .route("/keys/{id}", get(one).patch(change).delete(revoke));
    limited::per_caller(routes, app)
}

async fn make(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Body(bytes): Body,
) -> Response {
    match made(&app, &session.wallet, &bytes).await {
        Ok(key) => no_store((StatusCode::CREATED, Json(key)).into_response()),
        Err(error) => error.respond(&id),
    }
}

async fn made(app: &App, wallet: &Wallet, bytes: &[u8]) -> Result<KeyCreated, ApiError> {
    let now = app.now();
    let request: KeyRequest = body::read(bytes, |request| view::check(request, "", now))?;
    let test = keys::are_for_test(&app.config.payments);
    for _ in 0..TRIES {
        let digits = KeyDigits::random();
        let new = view::new_key(&request, &digits, wallet, test);
        if !app.store.create_key(new, MOST_KEYS, now).await? {
            continue;
        }
        let key = find(app, wallet, &digits.id()).await?;
        let data = serde_json::json!({"wallet": wallet, "name": key.name});
        app.record_event(&key.key_id, "key_made", data).await;
        return Ok(KeyCreated {
            key: Secret::new(digits.key(test)),
            view: shown(app, &key).await?,
        });
    }
    let message = format!("A wallet can have {MOST_KEYS} API keys; revoke one first.");
    Err(ApiError::new(ErrorCode::InvalidRequest, message))
}

async fn find(app: &App, wallet: &Wallet, id: &KeyId) -> Result<ApiKey, ApiError> {
    let key = app.store.key_of(wallet, id).await?;
    key.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "The wallet has no such API key."))
}

async fn shown(app: &App, key: &ApiKey) -> Result<KeyView, ApiError> {
    let credit = app.store.credit_of(&key.wallet).await?;
    Ok(view::show(key, credit, app.now()))
}

async fn list(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
) -> Response {
    let listed = async {
        let (keys, credit) = tokio::try_join!(
            app.store.keys_of(&session.wallet),
            app.store.credit_of(&session.wallet)
        )?;
        let now = app.now();
        let keys = keys.iter().map(|key| view::show(key, credit, now));
        Ok::<_, ApiError>(KeyList {
            keys: keys.collect(),
        })
    };
    private(&id, listed.await)
}

async fn one(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(key): Path<KeyId>,
) -> Response {
    let found = async {
        let key = find(&app, &session.wallet, &key).await?;
        shown(&app, &key).await
    };
    private(&id, found.await)
}

async fn current(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
) -> Response {
    let found = async {
        let Some(key) = &session.key else {
            let message = "This request has no API key, but a session.";
            return Err(ApiError::new(ErrorCode::NotFound, message).advise("GET /keys"));
        };
        shown(&app, key).await
    };
    private(&id, found.await)
}

async fn change(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(key): Path<KeyId>,
    Body(bytes): Body,
) -> Response {
    let changed = async {
        let change: KeyChange = body::read(&bytes, view::check_change)?;
        let edit = view::edit(change);
        if !app.store.change_key(&session.wallet, &key, edit).await? {
            // What is revoked stays as it is.
            let found = find(&app, &session.wallet, &key).await?;
            keys::check_good(&found, app.now())?;
        }
        keys::announce_end(&app, &key).await;
        let found = find(&app, &session.wallet, &key).await?;
        shown(&app, &found).await
    };
    private(&id, changed.await)
}

/// Idempotent: a key that is revoked stays so.
async fn revoke(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(key): Path<KeyId>,
) -> Response {
    let revoked = async {
        let (wallet, now) = (&session.wallet, app.now());
        if app.store.revoke_key(wallet, &key, now).await? {
            keys::announce_end(&app, &key).await;
            let data = serde_json::json!({"wallet": wallet});
            app.record_event(&key, "key_revoked", data).await;
        }
        let found = find(&app, wallet, &key).await?;
        shown(&app, &found).await
    };
    private(&id, revoked.await)
}
