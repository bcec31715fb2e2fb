//! Somebody with play money who pays, at once or with payments signed beforehand.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::signers::local::PrivateKeySigner;
use axum::body::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use x402::{
    client::{PayingClient, read_challenge},
    eip3009,
    purchase::{Chosen, Limits},
};

use crate::stage::Stage;

const NETWORKS: [&str; 1] = ["base-sepolia"];

#[derive(Clone)]
pub struct Customer {
    key: PrivateKeySigner,
    client: PayingClient,
}

impl Customer {
    /// A new wallet that has been to the faucet.
    pub async fn new(stage: &Stage) -> Self {
        let key = PrivateKeySigner::random();
        let filled = stage
            .http
            .post(format!("{}/demo/faucet", stage.url()))
            .json(&json!({"address": key.address()}))
            .send()
            .await;
        assert!(filled.unwrap().status().is_success());
        let client = PayingClient::builder(stage.http.clone(), key.clone())
            .networks(NETWORKS)
            .build();
        Self { key, client }
    }

    /// Asks, pays and returns the answer, which has to be a success.
    pub async fn pay(&self, stage: &Stage, path: &str, body: &Value) -> Value {
        let request = stage
            .http
            .request(Method::POST, format!("{}{path}", stage.url()));
        let answer = self.client.send(request.json(body)).await.unwrap();
        let status = answer.response.status();
        let body: Value = answer.response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// A container, small enough that many are paid for. Its number.
    pub async fn lease(&self, stage: &Stage) -> u32 {
        let body = json!({"runtimeMinutes": 60, "memoryMB": 64, "diskGB": 1});
        let lease = self.pay(stage, "/lease/container", &body).await;
        lease["ctid"].as_u64().unwrap().try_into().unwrap()
    }

    /// Whole requests for the list, each with a payment of its own.
    pub fn signed_lists(&self, stage: &Stage, price: &Chosen, count: usize) -> Vec<Bytes> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let request = |_| {
            let nonce = eip3009::random_nonce();
            let message = price.authorization(self.key.address(), now.as_secs(), nonce);
            let usdc = &price.network.usdc;
            let signature = eip3009::sign(&self.key, price.network, usdc, &message).unwrap();
            let (name, value) = price.payment(message, signature, None).to_header();
            let address = &stage.address;
            let head =
                format!("GET /management/list HTTP/1.1\r\nhost: {address}\r\n{name}: {value}");
            Bytes::from(format!("{head}\r\n\r\n"))
        };
        (0..count).map(request).collect()
    }
}

/// What the list costs, by version 2.
pub async fn price_of_list(stage: &Stage) -> Chosen {
    let answer = stage
        .http
        .get(format!("{}/management/list", stage.url()))
        .send()
        .await;
    let challenge = read_challenge(answer.unwrap()).await.unwrap();
    let limits = Limits {
        max_amount: u64::MAX,
        networks: &NETWORKS,
    };
    challenge.choose(&limits).unwrap()
}
