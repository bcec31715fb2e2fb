//! Admits a caller before a `/chat` body is read: the body has to be announced as JSON, which a
//! foreign page cannot do without a CORS preflight, and the caller has to be within its limits.

use std::net::IpAddr;

use api_types::ErrorCode;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use service::{caller, request_id::RequestId};

use crate::{
    App,
    error::ApiError,
    limits::{ChatLimitExceeded, TurnPermit},
};

/// The caller's IP address, as reported by the trusted proxies.
pub(super) struct Address(pub IpAddr);

impl FromRequestParts<App> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let peer = caller::peer(&parts.extensions);
        let proxies = app.config.trusted_proxies;
        Ok(Self(caller::address(peer, &parts.headers, proxies)))
    }
}

/// An admitted caller and the permit for one turn.
pub(super) struct Admitted {
    pub address: IpAddr,
    pub permit: TurnPermit,
}

impl FromRequestParts<App> for Admitted {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let id = parts.extensions.get::<RequestId>().cloned();
        let id = id.unwrap_or_else(|| RequestId::from_headers(&HeaderMap::new()));
        if !is_json(&parts.headers) {
            let message = "The body has to be announced as `Content-Type: application/json`.";
            let error = ApiError::new(ErrorCode::UnsupportedMediaType, message);
            return Err(error.respond(&id));
        }
        let Ok(Address(address)) = Address::from_request_parts(parts, app).await;
        match app.limits.admit(address) {
            Ok(permit) => Ok(Self { address, permit }),
            Err(refused) => {
                metrics::counter!("chat_refused_total", "limit" => name(refused)).increment(1);
                Err(ApiError::from(refused).respond(&id))
            }
        }
    }
}

fn name(refused: ChatLimitExceeded) -> &'static str {
    match refused {
        ChatLimitExceeded::TooMany(_) => "calls",
        ChatLimitExceeded::AtATime => "turns_of_one",
        ChatLimitExceeded::Full => "turns_of_all",
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}
