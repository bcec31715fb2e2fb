//! HTTP in, HTTP out: one file per resource, each with its own `router()`.

pub mod catalog;
pub mod quote;

use api_types::ErrorEnvelope;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// An error envelope with the status that belongs to its code.
pub(crate) fn refuse(envelope: ErrorEnvelope) -> Response {
    let status = StatusCode::from_u16(envelope.error.code.status())
        .expect("every code has an HTTP status, by its own table");
    (status, Json(envelope)).into_response()
}
