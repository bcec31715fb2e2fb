//! A fake lease API: it gives the answers that a test sets, and records its requests.

use std::{
    io::Error,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, Response},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use x402::wire::header::encode;

/// Public development account 1, the payee.
pub const PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    pub method: String,
    pub path: String,
    /// Empty where there is no query.
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl ReceivedRequest {
    /// Whether the request had a payment.
    pub fn is_paid(&self) -> bool {
        self.headers.contains_key("x-payment") || self.headers.contains_key("payment-signature")
    }
}

/// The fake lease API.
pub struct FakeLeaseApi {
    pub url: String,
    asked: Arc<Mutex<Vec<ReceivedRequest>>>,
    _serving: JoinSet<()>,
}

/// Its answers: status and body.
pub type GivenResponse = (u16, String);

/// As a status: the connection breaks before the answer is complete.
pub const HANG_UP: u16 = 0;
/// If a body begins with this line, the rest is the receipt of a payment that moved money.
const PAID: &str = "paid:";

fn respond(status: u16, body: String) -> Response<Body> {
    if status == HANG_UP {
        let broken = futures_util::stream::once(async { Err::<String, _>(Error::other("gone")) });
        return Response::new(Body::from_stream(broken));
    }
    let mut response = Response::builder().status(status);
    if body.starts_with("data:") {
        response = response.header("content-type", "text/event-stream");
    }
    let body = match body.strip_prefix(PAID) {
        Some(body) => {
            let receipt = json!({"success": true, "transaction": "0x1", "network": "base-sepolia"});
            response = response.header("x-payment-response", encode(&receipt));
            body.to_owned()
        }
        None => body,
    };
    response.body(Body::from(body)).unwrap()
}

/// The same answer with a receipt of a payment that moved money.
pub fn with_receipt((status, body): GivenResponse) -> GivenResponse {
    (status, format!("{PAID}{body}"))
}

/// A refusal or failure in the contract's envelope.
pub fn failed(status: u16, code: &str) -> GivenResponse {
    let error = json!({"code": code, "message": "m", "retryable": false, "requestId": "r"});
    (status, json!({ "error": error }).to_string())
}

impl FakeLeaseApi {
    /// Answers every request with this function.
    pub async fn start(
        answer: impl Fn(&ReceivedRequest) -> GivenResponse + Send + Sync + 'static,
    ) -> Self {
        let asked: Arc<Mutex<Vec<ReceivedRequest>>> = Arc::default();
        let (remembered, answer) = (Arc::clone(&asked), Arc::new(answer));
        let handler = move |request: Request| {
            let (remembered, answer) = (Arc::clone(&remembered), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let asked = ReceivedRequest {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    headers: parts.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                remembered.lock().unwrap().push(asked.clone());
                let (status, body) = answer(&asked);
                respond(status, body)
            }
        };
        let (url, serving) = serve(Router::new().fallback(handler)).await;
        Self {
            url,
            asked,
            _serving: serving,
        }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<ReceivedRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests with a payment.
    pub fn paid(&self) -> Vec<ReceivedRequest> {
        let mut asked = self.asked();
        asked.retain(ReceivedRequest::is_paid);
        asked
    }
}

/// A 402 of version 1.
pub fn challenge(path: &str, amount: u64) -> GivenResponse {
    let body = json!({"x402Version": 1, "error": "Payment required", "accepts": [{
        "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": amount.to_string(),
        "resource": format!("http://lease.example{path}"), "description": "d", "mimeType": "application/json",
        "payTo": PAYEE, "maxTimeoutSeconds": 300, "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
        "extra": {"name": "USDC", "version": "2"},
    }]});
    (402, body.to_string())
}

/// A success.
pub fn done(body: &Value) -> GivenResponse {
    (200, body.to_string())
}

/// Serves a router on a free port of this machine until the set is dropped.
pub async fn serve(router: Router) -> (String, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, serving)
}
