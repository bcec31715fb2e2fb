//! One id per request, for the client, the log and the next service, and the access log with that
//! id. A log line has method, path, status and latency. It never has the query or headers, which
//! may hold tickets and signatures.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;
use tracing::Instrument as _;

use crate::crypto::random_hex;

/// The header with the id, in requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 64;

/// The id of the current request; handlers take it as `Extension<RequestId>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The client's id if it is safe for a log and a header, or else a new one.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let offered = headers.get(HEADER).and_then(|value| value.to_str().ok());
        match offered {
            Some(id) if is_sane(id) => Self(id.into()),
            _ => Self(random_hex(16).into()),
        }
    }

    /// The id as text: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(allowed)
}

/// Adds an id, a span and an access log line to every request of the router, also to unmatched
/// ones.
pub fn track<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(middleware::from_fn(identify))
}

async fn identify(mut request: Request, next: Next) -> Response {
    let id = RequestId::from_headers(request.headers());
    request.extensions_mut().insert(id.clone());
    // An error-level span exists under every filter that logs anything, and adds no line of its
    // own.
    let span = tracing::error_span!("request", request.id = id.as_str());
    let entry = AccessLogLine::new(&request, span.clone());

    let mut response = next.run(request).instrument(span).await;

    entry.answered(response.status().as_u16());
    let value =
        HeaderValue::from_str(id.as_str()).expect("a sane id consists of visible ASCII characters");
    response.headers_mut().insert(HEADER, value);
    response
}

/// A pending line of the access log.
struct AccessLogLine {
    method: String,
    path: String,
    start: Instant,
    span: tracing::Span,
    answered: bool,
}

impl AccessLogLine {
    fn new(request: &Request, span: tracing::Span) -> Self {
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            start: Instant::now(),
            span,
            answered: false,
        }
    }

    fn answered(mut self, status: u16) {
        self.answered = true;
        let Self { method, path, .. } = &self;
        let latency_ms = self.latency_ms();
        let _guard = self.span.enter();
        if is_probe(path) && status < 500 {
            tracing::debug!(method, path, status, latency_ms, "request");
        } else {
            tracing::info!(method, path, status, latency_ms, "request");
        }
    }

    /// Milliseconds until the head of the response was ready; a streamed body takes longer.
    fn latency_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for AccessLogLine {
    /// A client that hangs up drops the request before its response; the log gets a line for that
    /// too.
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let Self { method, path, .. } = &*self;
        let latency_ms = self.latency_ms();
        let _guard = self.span.enter();
        tracing::info!(
            method,
            path,
            latency_ms,
            "a request was abandoned by its client"
        );
    }
}

/// Probes and scrapes come every few seconds and would flood the log, so they are left out.
fn is_probe(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/metrics")
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tower::ServiceExt as _;
    use tracing::instrument::WithSubscriber as _;

    use super::*;
    use crate::env::Env;
    use crate::telemetry::{Telemetry, capture::Captured};

    fn app() -> Router {
        let echo = |Extension(id): Extension<RequestId>| async move { id.as_str().to_owned() };
        track(Router::new().route("/echo", get(echo)))
    }

    async fn answer(uri: &str, offered: Option<&str>) -> (String, String) {
        let mut request = Request::get(uri);
        if let Some(id) = offered {
            request = request.header(HEADER, id);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = app().oneshot(request).await.unwrap();
        let header = response.headers()[HEADER].to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body(), 1024).await.unwrap();
        (header, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_valid_id_is_kept_and_reaches_handler_and_client() {
        let id = "Aa0._-".repeat(10) + "1234";
        assert_eq!(id.len(), LONGEST);
        assert_eq!(answer("/echo", Some(&id)).await, (id.clone(), id));
    }

    #[tokio::test]
    async fn any_other_id_is_replaced_by_a_random_one() {
        let too_long = "a".repeat(LONGEST + 1);
        for offered in [None, Some(""), Some("a b"), Some("a\"b"), Some(&*too_long)] {
            let (header, body) = answer("/echo", offered).await;
            assert_eq!(header, body);
            assert_eq!(header.len(), 32);
            assert!(header.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        assert_ne!(answer("/echo", None).await, answer("/echo", None).await);
    }

    #[tokio::test]
    async fn the_access_log_has_the_path_without_query_and_no_header() {
        let mut env = Env::from_map([("LOG_FORMAT", "json")]);
        let log = Captured::default();
        let subscriber = Telemetry::from_env(&mut env).subscriber(log.clone());
        let subscriber = tracing::Dispatch::new(subscriber);
        // With a single subscriber, tracing lets the thread that first reaches a log line decide
        // for all threads whether it is enabled, and that may be another test's thread without a
        // subscriber. With a second one, every subscriber is asked.
        let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        let request = Request::get("/missing?ticket=hunter2")
            .header("authorization", "Bearer hunter3")
            .header(HEADER, "r1")
            .body(Body::empty())
            .unwrap();
        let response = app().oneshot(request).with_subscriber(subscriber).await;
        assert_eq!(response.unwrap().status(), 404);

        let events = log.events();
        assert_eq!(events.len(), 1, "{events:?}");
        let fields = &events[0]["fields"];
        assert_eq!(fields["method"], "GET");
        assert_eq!(fields["path"], "/missing");
        assert_eq!(fields["status"], 404);
        assert!(fields["latency_ms"].is_u64());
        assert_eq!(events[0]["span"]["request.id"], "r1");
        assert!(!events[0].to_string().contains("hunter"), "{events:?}");
    }
}
