//! `POST /lease/quote`: what a lease would cost, with line items, and what would be refused.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use api_types::{
    ErrorCode, ErrorEnvelope, FieldError, LeaseRequest, QuoteResponse, Timestamp, price,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use service::request_id::RequestId;

use super::refuse;
use crate::config::Config;

/// How long a quoted price is honoured, in seconds: as long as a payment for it stays valid.
const VALID_SECONDS: u64 = 300;

/// The route.
pub fn router() -> Router<Arc<Config>> {
    Router::new().route("/lease/quote", post(quote))
}

/// An absent body is the default lease, so that a probe learns a price.
async fn quote(
    State(config): State<Arc<Config>>,
    Extension(id): Extension<RequestId>,
    body: Bytes,
) -> Response {
    let read = if body.trim_ascii().is_empty() {
        Ok(LeaseRequest::default())
    } else {
        serde_json::from_slice::<LeaseRequest>(&body)
    };
    let request = match read {
        Ok(request) => request,
        Err(error) => {
            // Only the kind and the place: the text may quote a password.
            let kind = match error.classify() {
                serde_json::error::Category::Data => {
                    "a field is unknown, missing or of the wrong type"
                }
                _ => "it is not JSON",
            };
            let message = format!("{kind}, at line {} column {}", error.line(), error.column());
            let field = FieldError::new("body", message);
            return refuse(ErrorEnvelope::invalid(vec![field], id.as_str()));
        }
    };
    let field_errors = config
        .limits
        .validate_lease(&request)
        .err()
        .unwrap_or_default();
    let Ok(price) = price::price_lease(&config.tariff, request.size(), request.runtime_minutes)
    else {
        return refuse(ErrorEnvelope::invalid(field_errors, id.as_str()));
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let refusals = if field_errors.is_empty() {
        vec![]
    } else {
        vec![ErrorCode::InvalidRequest]
    };
    Json(QuoteResponse {
        acceptable: field_errors.is_empty(),
        price: Some(price),
        network: config.network.caip2.to_owned(),
        asset: config.network.usdc.address.to_checksum(None),
        valid_until: Timestamp(now + VALID_SECONDS),
        field_errors,
        refusals,
    })
    .into_response()
}
