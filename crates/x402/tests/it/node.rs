//! A proxy in front of the chain's node that mishandles the next transaction broadcast through it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::Value;

use crate::client::http;

#[derive(Clone, PartialEq)]
pub enum Line {
    Good,
    /// The transactions arrive, but their responses do not.
    LosesAnswers,
    /// The transactions do not arrive.
    LosesTransactions,
    /// Calls are answered by a node whose latest block is this one.
    Lags(u64),
    /// Another sender sees the transaction and is faster: the same call, from this account.
    Overtaken(Address),
    /// The same with another call, to this contract.
    OvertakenBy(Address, Address, alloy::primitives::Bytes),
}

#[derive(Clone)]
pub struct Node {
    pub url: String,
    chain: String,
    line: Arc<Mutex<Line>>,
    lost: Arc<AtomicU32>,
}

impl Node {
    pub async fn before(chain: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            chain: chain.to_owned(),
            line: Arc::new(Mutex::new(Line::Good)),
            lost: Arc::default(),
        };
        let router = Router::new()
            .route("/", post(pass))
            .with_state(node.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        node
    }

    pub fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }

    /// Waits until this many broadcasts have been mishandled.
    pub async fn has_lost(&self, count: u32) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.lost.load(Ordering::Relaxed) < count {
            assert!(Instant::now() < deadline, "nothing was broadcast");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn forward(&self, body: Bytes) -> Bytes {
        let request = http()
            .post(&self.chain)
            .header("content-type", "application/json")
            .body(body);
        request.send().await.unwrap().bytes().await.unwrap()
    }
}

async fn pass(State(node): State<Node>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let line = node.line.lock().unwrap().clone();
    let lost = || {
        node.lost.fetch_add(1, Ordering::Relaxed);
        StatusCode::BAD_GATEWAY.into_response()
    };
    if let Line::Lags(block) = line
        && request["method"] == "eth_call"
    {
        return lagging(&node, request, block).await;
    }
    if request["method"] != "eth_sendRawTransaction" {
        return node.forward(body).await.into_response();
    }
    match line {
        Line::Good | Line::Lags(_) => node.forward(body).await.into_response(),
        Line::LosesTransactions => lost(),
        Line::LosesAnswers => {
            node.forward(body).await;
            lost()
        }
        Line::Overtaken(by) => {
            let (to, input) = call_of(&request);
            overtake(&node, by, to, input).await;
            node.forward(body).await.into_response()
        }
        Line::OvertakenBy(by, to, input) => {
            overtake(&node, by, to, input).await;
            node.forward(body).await.into_response()
        }
    }
}

/// Answers a call as a node that lags behind does.
async fn lagging(node: &Node, mut request: Value, block: u64) -> Response {
    let asked = request["params"][1].as_str().unwrap();
    if let Some(number) = asked.strip_prefix("0x")
        && u64::from_str_radix(number, 16).unwrap() > block
    {
        let error = serde_json::json!({"code": -32000, "message": "header not found"});
        let answer = serde_json::json!({"jsonrpc": "2.0", "id": 1, "error": error});
        return axum::Json(answer).into_response();
    }
    request["params"][1] = format!("{block:#x}").into();
    node.forward(request.to_string().into())
        .await
        .into_response()
}

/// The call in a raw transaction.
fn call_of(request: &Value) -> (Address, alloy::primitives::Bytes) {
    use alloy::{
        consensus::{Transaction as _, TxEip1559},
        eips::eip2718::Decodable2718 as _,
        primitives::hex,
    };
    let raw = hex::decode(request["params"][0].as_str().unwrap()).unwrap();
    let signed = alloy::consensus::Signed::<TxEip1559>::decode_2718(&mut raw.as_slice()).unwrap();
    (signed.tx().to().unwrap(), signed.tx().input().clone())
}

async fn overtake(node: &Node, by: Address, to: Address, input: alloy::primitives::Bytes) {
    node.set(Line::Good);
    let call = serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction",
        "params": [{"from": by, "to": to, "input": input}],
    });
    node.forward(call.to_string().into()).await;
}
