//! `POST /lease/quote`: what a lease would cost, with line items, and what would be refused.

use api_types::{
    ErrorCode, ErrorEnvelope, FieldError, LeaseRequest, QuoteResponse, Timestamp, price,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
    routing::post,
};
use service::request_id::RequestId;

use super::{refuse, unread};
use crate::App;

/// How long a quoted price is honoured, in seconds: as long as a payment for it stays valid.
const VALID_SECONDS: u64 = 300;

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/lease/quote", post(quote))
}

/// An absent body is the default lease, so that a probe learns a price.
async fn quote(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let config = &app.config;
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unread(&rejection, &id),
    };
    let read = if body.trim_ascii().is_empty() {
        Ok(LeaseRequest::default())
    } else {
        serde_json::from_slice::<LeaseRequest>(&body)
    };
    let request = match read {
        Ok(request) => request,
        Err(error) => {
            // Only the kind and the place: the text may quote a password.
            let place = format!("at line {} column {}", error.line(), error.column());
            if error.classify() != serde_json::error::Category::Data {
                let message = format!("The body is not JSON, {place}.");
                return refuse(ErrorEnvelope::new(
                    ErrorCode::MalformedBody,
                    message,
                    id.as_str(),
                ));
            }
            let message = format!("a field is unknown, missing or of the wrong type, {place}");
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
        valid_until: Timestamp(app.clock.unix_seconds() + VALID_SECONDS),
        field_errors,
        refusals,
    })
    .into_response()
}
