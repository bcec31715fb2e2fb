//! `GET /console`, its files, and `GET /console/ws`: the page with a terminal and the WebSocket
//! behind it. Who comes in is decided by the ticket in the first message; here only by the page
//! that asks.

use api_types::ErrorCode;
use axum::{
    Extension, Router,
    extract::{Path, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use service::{concurrency::Exceeded, request_id::RequestId};
use tracing::Instrument as _;
use url::Url;

use super::{limited, not_found};
use crate::{
    App,
    client::ClientAddress,
    config::Config,
    console::{ConsoleVisitor, FIRST_MESSAGE, MAX_MESSAGE, page, socket_url, visit},
    error::ApiError,
    sessions,
};

/// A console carries little most of the time, and many may be open.
const BUFFER: usize = 4 * 1024;

/// The routes.
pub fn router(app: &App) -> Router<App> {
    // A connection without a ticket takes memory as well.
    let socket = limited::per_caller(Router::new().route("/console/ws", get(socket)), app);
    Router::new()
        .route("/console", get(console_page))
        .route("/console/{version}/{file}", get(file))
        .merge(socket)
}

async fn console_page(State(app): State<App>) -> Response {
    let status = if page::is_built_in() {
        StatusCode::OK
    } else {
        StatusCode::NOT_IMPLEMENTED
    };
    let mut response = (status, Html(page::html())).into_response();
    let socket = socket_url(&app.config.public_base_url);
    // The emulator makes style elements for its own measures.
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' {socket}; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn file(Path((version, name)): Path<(String, String)>, id: Extension<RequestId>) -> Response {
    let Some(asset) = page::asset(&version, &name) else {
        return not_found(id).await;
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.bytes).into_response()
}

async fn socket(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    ClientAddress(client): ClientAddress,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if !may_connect(&app.config, &headers) {
        let message = "Pages of this origin may open no consoles.";
        return ApiError::new(ErrorCode::Forbidden, message)
            .advise("the operator adds the page's origin to ALLOWED_ORIGINS")
            .respond(&id);
    }
    let Ok(upgrade) = upgrade else {
        let message = "This is the address of a WebSocket.";
        return ApiError::new(ErrorCode::InvalidRequest, message).respond(&id);
    };
    let unproven = match app.consoles.unproven(client) {
        Ok(unproven) => unproven,
        Err(exceeded) => return crowded(exceeded).respond(&id),
    };
    let visitor = ConsoleVisitor {
        wallet: sessions::wallet_of(&app, &headers).await,
        unproven,
    };
    within_limits(upgrade).on_upgrade(|socket| visit(app, socket, visitor).in_current_span())
}

/// Bounds the memory of a connection.
pub(super) fn within_limits(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
}

fn crowded(exceeded: Exceeded) -> ApiError {
    let (code, message) = match exceeded {
        Exceeded::PerNetwork => (
            ErrorCode::RateLimited,
            "Too many connections from your address have shown no ticket yet.",
        ),
        Exceeded::Total => (
            ErrorCode::Unavailable,
            "Too many connections have shown no ticket yet.",
        ),
    };
    ApiError::new(code, message).retry_after(FIRST_MESSAGE.as_secs())
}

/// Whether a page may connect. A browser names the page; an unknown one may belong to a thief of a
/// ticket.
fn may_connect(config: &Config, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let own = Url::parse(&config.public_base_url)
        .map(|url| url.origin().ascii_serialization())
        .unwrap_or_default();
    config
        .allowed_origins
        .iter()
        .chain([&own])
        .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
}
