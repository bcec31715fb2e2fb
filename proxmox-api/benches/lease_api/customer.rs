//! A customer with play money who pays, at once or with payments signed beforehand.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::signers::{SignerSync as _, local::PrivateKeySigner};
use axum::body::Bytes;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use x402::{
    client::{PayingClient, read_challenge},
    eip3009,
    purchase::{Chosen, SpendingLimits},
};

use crate::stage::BenchTestbed;

const NETWORKS: [&str; 1] = ["base-sepolia"];
const LIST: &str = "/management/list";
const LEASE: &str = "/lease/container";

#[derive(Clone)]
pub struct Customer {
    key: PrivateKeySigner,
    client: PayingClient,
}

impl Customer {
    /// A new wallet with play money from the faucet.
    pub async fn new(stage: &BenchTestbed) -> Self {
        Self::with_key(stage, PrivateKeySigner::random()).await
    }

    /// The wallet of a key, with play money from the faucet.
    pub async fn with_key(stage: &BenchTestbed, key: PrivateKeySigner) -> Self {
        let client = PayingClient::builder(stage.http.clone(), key.clone())
            .networks(NETWORKS)
            .build();
        let customer = Self { key, client };
        customer.visit_faucet(stage).await;
        customer
    }

    /// Raises the balance to 10 USDC, if it was less.
    pub async fn visit_faucet(&self, stage: &BenchTestbed) {
        let body = json!({"address": self.key.address()});
        post(stage, "/demo/faucet", &body).await;
    }

    /// Signs in; returns the session's token.
    pub async fn sign_in(&self, stage: &BenchTestbed) -> String {
        let asked = json!({"address": self.key.address()});
        let challenge = post(stage, "/session/challenge", &asked).await;
        let message = challenge["message"].as_str().unwrap();
        let signature = self.key.sign_message_sync(message.as_bytes()).unwrap();
        let signed = json!({"message": message, "signature": signature.to_string()});
        let session = post(stage, "/session", &signed).await;
        session["token"].as_str().unwrap().to_owned()
    }

    /// Requests a challenge, pays, and returns the answer, which has to be a success.
    pub async fn pay(&self, stage: &BenchTestbed, path: &str, body: &Value) -> Value {
        let request = stage
            .http
            .request(Method::POST, format!("{}{path}", stage.url()));
        let answer = self.client.send(request.json(body)).await.unwrap();
        let status = answer.response.status();
        let body: Value = answer.response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// Leases a container that is small, so that the faucet pays for many. Returns its number.
    pub async fn lease(&self, stage: &BenchTestbed) -> u32 {
        let lease = self.pay(stage, LEASE, &small()).await;
        lease["ctid"].as_u64().unwrap().try_into().unwrap()
    }

    /// Whole requests for the list, each with its own payment.
    pub fn signed_lists(&self, stage: &BenchTestbed, price: &Chosen, count: usize) -> Vec<Bytes> {
        let head = format!("GET {LIST} HTTP/1.1\r\nhost: {}\r\n", stage.address);
        self.signed(price, &head, "", count)
    }

    /// Whole requests for small containers, each with its own payment.
    pub fn signed_leases(&self, stage: &BenchTestbed, price: &Chosen, count: usize) -> Vec<Bytes> {
        let body = small().to_string();
        let head = format!(
            "POST {LEASE} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n",
            stage.address,
            body.len()
        );
        self.signed(price, &head, &body, count)
    }

    fn signed(&self, price: &Chosen, head: &str, body: &str, count: usize) -> Vec<Bytes> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let request = |_| {
            let nonce = eip3009::random_nonce();
            let message = price.authorization(self.key.address(), now.as_secs(), nonce);
            let usdc = &price.network.usdc;
            let signature = eip3009::sign(&self.key, price.network, usdc, &message).unwrap();
            let (name, value) = price.payment(message, signature, None).to_header();
            Bytes::from(format!("{head}{name}: {value}\r\n\r\n{body}"))
        };
        (0..count).map(request).collect()
    }
}

/// The purchase that is measured by default.
fn small() -> Value {
    json!({"runtimeMinutes": 60, "memoryMB": 64, "diskGB": 1})
}

/// The answer of a free route.
async fn post(stage: &BenchTestbed, path: &str, body: &Value) -> Value {
    let request = stage.http.post(format!("{}{path}", stage.url()));
    let answer = request.json(body).send().await.unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert!(status.is_success(), "{path}: {body}");
    body
}

/// The challenge for the list, by version 2.
pub async fn price_of_list(stage: &BenchTestbed) -> Chosen {
    let request = stage.http.get(format!("{}{LIST}", stage.url()));
    price(request).await
}

/// The challenge for a small container, by version 2.
pub async fn price_of_lease(stage: &BenchTestbed) -> Chosen {
    let request = stage.http.post(format!("{}{LEASE}", stage.url()));
    price(request.json(&small())).await
}

async fn price(request: RequestBuilder) -> Chosen {
    let challenge = read_challenge(request.send().await.unwrap()).await.unwrap();
    let limits = SpendingLimits {
        max_amount: u64::MAX,
        networks: &NETWORKS,
    };
    challenge.choose(&limits).unwrap()
}
