//! The HTTP layer: one file per resource, each with its own `router()`.

mod admitted;
pub mod chat;
pub mod cors;
pub mod info;
pub mod openapi;
mod read;
pub mod stats;
mod stream;

use api_types::ErrorCode;
use axum::{Extension, Router, response::Response};
use service::request_id::RequestId;

use crate::{App, error::ApiError};

/// All routes of the agent.
pub fn router() -> Router<App> {
    Router::new()
        .merge(chat::router())
        .merge(info::router())
        .merge(openapi::router())
        .merge(stats::router())
}

/// The response after a handler's panic, which the log describes.
pub(crate) fn failed(id: &RequestId) -> Response {
    ApiError::new(ErrorCode::Internal, "Something went wrong on our side.")
        .advise("report the requestId to the operator")
        .respond(id)
}

/// The response for an unknown path.
pub(crate) async fn not_found(Extension(id): Extension<RequestId>) -> Response {
    ApiError::new(ErrorCode::NotFound, "There is no such path.").respond(&id)
}

/// The response for a known path with another method; axum adds `Allow`.
pub(crate) async fn method_not_allowed(Extension(id): Extension<RequestId>) -> Response {
    let message = "This path does not take this method.";
    ApiError::new(ErrorCode::MethodNotAllowed, message).respond(&id)
}
