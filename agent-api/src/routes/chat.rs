//! `POST /chat`: a turn of the conversation, as one JSON response or, for `Accept:
//! text/event-stream`, as events as they happen.

use std::net::IpAddr;

use api_types::{ChatRequest, ChatResponse};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::post,
};
use service::{accept, request_id::RequestId};

use super::{admitted::Admitted, read, stream};
use crate::{
    App,
    driver::{EventSink, Suspension, TurnOutcome, converse},
    error::ApiError,
};

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/chat", post(chat))
}

async fn chat(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Admitted { address, permit }: Admitted,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request = match read::chat(body) {
        Ok(request) => request,
        Err(error) => return error.respond(&id),
    };
    if accept::prefers_events(&headers) {
        return stream::respond(app, request, address, permit, id);
    }
    // Held until the turn ends.
    let _permit = permit;
    match answer(&app, request, address).await {
        Ok(response) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (no_store, Json(response)).into_response()
        }
        Err(error) => error.respond(&id),
    }
}

/// Runs a turn to its end. If the client hangs up, this future and its turn are dropped; the client
/// can still ask about a payment that was sent.
async fn answer(
    app: &App,
    request: ChatRequest,
    address: IpAddr,
) -> Result<ChatResponse, ApiError> {
    let mut events = EventSink::buffered();
    let TurnOutcome {
        reply,
        suspended,
        turn_id,
    } = converse(app, request, address, &mut events).await?;
    let (payment_request, pending) = match suspended {
        Some(Suspension::Payment(request, pending)) => (Some(*request), Some(pending)),
        Some(Suspension::Confirmation(_, pending)) => (None, Some(pending)),
        None => (None, None),
    };
    Ok(ChatResponse {
        reply,
        payment_request,
        pending,
        events: events.into_events(),
        turn_id,
    })
}
