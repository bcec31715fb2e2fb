//! What has to hold before a `/chat` body is read: it is announced as JSON, which a page of
//! somebody else cannot do without asking first, and its caller is within the limits.

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
    limits::{Refused, Seat},
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

/// The right to one turn, for a caller at this address.
pub(super) struct Admitted {
    pub address: IpAddr,
    pub seat: Seat,
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
            Ok(seat) => Ok(Self { address, seat }),
            Err(refused) => {
                metrics::counter!("chat_refused_total", "limit" => name(refused)).increment(1);
                Err(ApiError::from(refused).respond(&id))
            }
        }
    }
}

fn name(refused: Refused) -> &'static str {
    match refused {
        Refused::TooMany(_) => "calls",
        Refused::AtATime => "turns_of_one",
        Refused::Full => "turns_of_all",
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
