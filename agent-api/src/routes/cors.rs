//! The browser origins that may use the agent: the configured ones, with the headers that the
//! interface sends.

use std::time::Duration;

use axum::http::{Method, header};
use service::request_id;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Config;

/// The layer for the whole service. No cookies are used, so none are allowed.
pub fn layer(config: &Config) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(config.allowed_origins.iter().cloned()))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            request_id::HEADER,
        ])
        // The interface uses the date if the device's clock is wrong.
        .expose_headers([request_id::HEADER, header::RETRY_AFTER, header::DATE])
        .max_age(Duration::from_secs(600))
}
