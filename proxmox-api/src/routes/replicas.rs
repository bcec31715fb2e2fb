//! `GET /replicas/console`: where another replica of this installation leads a customer's console
//! to its shell. It is there only with `REPLICA_ADDRESS`. Customers do not use it: a request
//! needs a fresh tag by the installation's key.

use api_types::ErrorCode;
use axum::{
    Extension, Router,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::HeaderMap,
    response::Response,
    routing::get,
};
use service::request_id::RequestId;
use tracing::Instrument as _;

use super::console::within_limits;
use crate::{
    App,
    console::{
        HAND_OVER_PATH,
        hand_over::{ACCEPTED, HAND_OVER, HandOver},
        visit_handed_over,
    },
    error::ApiError,
};

/// The route, where others may use it.
pub fn router(app: &App) -> Router<App> {
    match app.config.replica_address {
        Some(_) => Router::new().route(HAND_OVER_PATH, get(socket)),
        None => Router::new(),
    }
}

async fn socket(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let value = headers.get(HAND_OVER).and_then(|value| value.to_str().ok());
    let asked = value.and_then(|value| HandOver::verify(&app, value).ok());
    let (Some(asked), Ok(upgrade)) = (asked, upgrade) else {
        let message = "Only other replicas of this service may connect here.";
        return ApiError::new(ErrorCode::Forbidden, message).respond(&id);
    };
    let accepted = asked.accepted(&app).parse();
    let mut response = within_limits(upgrade)
        .on_upgrade(|socket| visit_handed_over(app, socket, asked).in_current_span());
    let accepted = accepted.expect("hexadecimal digits are a header's value");
    response.headers_mut().insert(ACCEPTED, accepted);
    response
}
