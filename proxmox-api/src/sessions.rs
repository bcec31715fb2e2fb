//! Wallet sessions: the text to sign ([`message`]), its signature ([`signature`]), and the bearer
//! token that then stands for the wallet. Texts and tokens are stored as digests only, so that a
//! stolen database opens no session.

pub mod message;
pub mod signature;

use alloy::primitives::Address;
use api_types::{ErrorCode, Secret, SessionChallenge, SessionRequest, SessionResponse, Timestamp};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use service::{crypto, request_id::RequestId};

use self::message::{SignInMessage, SignInPage};
use crate::{
    error::ApiError,
    ids::Wallet,
    keys,
    state::App,
    store::{ApiKey, StoreError},
    timestamp::timestamp,
};

/// Seconds for which a sign-in text is valid.
pub const CHALLENGE_SECONDS: u64 = 5 * 60;
/// Seconds for which a session is valid.
pub const SESSION_SECONDS: u64 = 24 * 60 * 60;

/// The session of a request, or an API key that may use the route. A handler that takes it responds
/// 401 to requests without a valid one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletSession {
    /// The wallet.
    pub wallet: Wallet,
    /// The digest of the token.
    pub token_hash: String,
    /// The key, where it is one.
    pub key: Option<Box<ApiKey>>,
}

impl FromRequestParts<App> for WalletSession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Self::for_route(app, parts).await.map_err(|error| {
            let id = parts.extensions.get::<RequestId>().cloned();
            error.respond(&id.unwrap_or_else(|| RequestId::from_headers(&parts.headers)))
        })
    }
}

impl WalletSession {
    /// The session of a request, or the key that may use its route.
    async fn for_route(app: &App, parts: &mut Parts) -> Result<Self, ApiError> {
        if let Some(token) = bearer(&parts.headers).map(str::to_owned)
            && let Some(key) = keys::authenticate(app, &token).await?
        {
            keys::authorize(app, parts, &key).await?;
            return Ok(Self {
                wallet: key.wallet.clone(),
                token_hash: String::new(),
                key: Some(Box::new(key)),
            });
        }
        let session = Self::from_headers(app, &parts.headers).await?;
        session.ok_or_else(|| {
            ApiError::new(
                ErrorCode::Unauthorized,
                "This needs a session of the wallet: none was sent, or it has ended.",
            )
            .advise("POST /session/challenge, sign the text, POST /session")
        })
    }

    /// The session of a request, if it has one that is valid. An API key is none.
    ///
    /// # Errors
    /// The store failed.
    pub async fn from_headers(app: &App, headers: &HeaderMap) -> Result<Option<Self>, StoreError> {
        let Some(token) = bearer(headers) else {
            return Ok(None);
        };
        let token_hash = crypto::sha256_hex(token);
        let wallet = app.store.session_wallet(&token_hash, app.now()).await?;
        Ok(wallet.map(|wallet| Self {
            wallet,
            token_hash,
            key: None,
        }))
    }
}

/// The wallet of a request's session, for handlers to which a session is optional. A failure of the
/// store is logged.
pub async fn wallet_of(app: &App, headers: &HeaderMap) -> Option<Wallet> {
    match WalletSession::from_headers(app, headers).await {
        Ok(session) => session.map(|session| session.wallet),
        Err(error) => {
            tracing::error!(%error, "a session could not be looked up");
            None
        }
    }
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Makes a text for a wallet to sign.
///
/// # Errors
/// The store failed.
pub async fn challenge(
    app: &App,
    address: Address,
    chain_id: u64,
    page: SignInPage,
) -> Result<SessionChallenge, ApiError> {
    let now = app.clock.unix_seconds();
    let sign_in = SignInMessage {
        page,
        address,
        chain_id,
        nonce: crypto::random_hex(16),
        issued_at: Timestamp(now),
        expires_at: Timestamp(now + CHALLENGE_SECONDS),
    };
    let message = sign_in.to_string();
    let expires_at = app.now() + CHALLENGE_SECONDS.cast_signed();
    app.store
        .create_challenge(&crypto::sha256_hex(&message), expires_at, app.now())
        .await?;
    Ok(SessionChallenge {
        message,
        nonce: sign_in.nonce,
        expires_at: sign_in.expires_at,
    })
}

/// Opens a session for the wallet that signed one of our texts.
///
/// # Errors
/// The text is not ours, was used or is too old; the signature is another wallet's; or it cannot be checked now.
pub async fn open(app: &App, request: &SessionRequest) -> Result<SessionResponse, ApiError> {
    // Used up before the signature is checked, so that one text costs one recovery or one request
    // to a node.
    let digest = crypto::sha256_hex(&request.message);
    let ours = app.store.consume_challenge(&digest, app.now()).await?;
    let Some(address) = ours
        .then(|| message::address_in(&request.message))
        .flatten()
    else {
        return Err(refused(
            "The text was not given out here, was changed or used, or is too old.",
        ));
    };
    if !signature::is_signed_by(app, address, &request.message, request.signature.expose()).await? {
        return Err(refused(
            "The signature is not one of the wallet in the text.",
        ));
    }
    let token = crypto::random_hex(32);
    let wallet = Wallet::from(address);
    let expires_at = app.now() + SESSION_SECONDS.cast_signed();
    app.store
        .create_session(&crypto::sha256_hex(&token), &wallet, expires_at, app.now())
        .await?;
    Ok(SessionResponse {
        token: Secret::new(token),
        token_type: "Bearer".to_owned(),
        wallet: wallet.checksummed(),
        expires_at: timestamp(expires_at),
    })
}

fn refused(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, message)
        .advise("POST /session/challenge for a new text and sign it unchanged")
}
