//! What browsers may do. Clients of both protocol versions send `Access-Control-Expose-Headers` as
//! a *request* header, so it has to be allowed, or their preflight fails.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};
use x402::wire::header as wire;

use crate::config::Config;

/// The layer for the whole service; a preflight never meets the paywall.
pub fn layer(config: &Config) -> CorsLayer {
    let name = HeaderName::from_static;
    let origins = if config.allowed_origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let origins = config.allowed_origins.iter();
        AllowOrigin::list(origins.filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            name(wire::PAYMENT_SIGNATURE),
            name(wire::X_PAYMENT),
            name("sign-in-with-x"),
            name("idempotency-key"),
            name("credit"),
            name("prefer"),
            name("x-request-id"),
        ])
        .expose_headers([
            name(wire::PAYMENT_REQUIRED),
            name(wire::PAYMENT_RESPONSE),
            name(wire::X_PAYMENT_RESPONSE),
            name("x-request-id"),
            header::RETRY_AFTER,
            header::LOCATION,
            name("preference-applied"),
            name("credit-charged"),
            name("credit-available"),
            // A page whose device has a wrong clock signs by this one.
            header::DATE,
        ])
        .max_age(Duration::from_secs(600))
}
