//! HTTP in, HTTP out: one file per resource, each with its own `router()`.

pub mod catalog;
pub mod cors;
pub mod demo;
pub mod lease;
pub mod quote;

use api_types::{ErrorCode, ErrorEnvelope};
use axum::{
    Extension, Json, Router,
    extract::rejection::BytesRejection,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use service::request_id::RequestId;

use crate::App;

/// Every route of the API itself.
pub fn router() -> Router<App> {
    Router::new()
        .merge(catalog::router())
        .merge(demo::router())
        .merge(lease::router())
        .merge(quote::router())
}

/// An error envelope with the status that belongs to its code.
pub(crate) fn refuse(envelope: ErrorEnvelope) -> Response {
    let status = StatusCode::from_u16(envelope.error.code.status())
        .expect("every code has an HTTP status, by its own table");
    (status, Json(envelope)).into_response()
}

/// A body that could not be read: too large, or cut off.
pub(crate) fn unread(rejection: &BytesRejection, id: &RequestId) -> Response {
    let (code, message) = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::BodyTooLarge, "The body is too large."),
        _ => (
            ErrorCode::MalformedBody,
            "The body could not be read to its end.",
        ),
    };
    refuse(ErrorEnvelope::new(code, message, id.as_str()))
}

/// No such path.
pub(crate) async fn not_found(Extension(id): Extension<RequestId>) -> Response {
    let message = "There is no such path.";
    refuse(ErrorEnvelope::new(
        ErrorCode::NotFound,
        message,
        id.as_str(),
    ))
}

/// The path is there, for other methods; axum adds `Allow`.
pub(crate) async fn method_not_allowed(Extension(id): Extension<RequestId>) -> Response {
    let message = "This path does not take this method.";
    refuse(ErrorEnvelope::new(
        ErrorCode::MethodNotAllowed,
        message,
        id.as_str(),
    ))
}
