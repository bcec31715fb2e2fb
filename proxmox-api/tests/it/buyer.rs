//! A customer with a key, who takes a challenge, signs it, and sends the same payment as often as a
//! test wants.

use std::fmt::Display;

use alloy::{
    primitives::{Address, keccak256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use service::clock::Clock as _;
use x402::{
    eip3009,
    payment::Payment,
    purchase::{Challenge, SpendingLimits},
    wire::header as wire,
};

use crate::support::TestApp;

/// A customer.
#[derive(Clone)]
pub struct Buyer {
    pub key: PrivateKeySigner,
}

/// A signed call.
#[derive(Clone)]
pub struct Signed {
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
    pub payment: Payment,
    pub key: Option<String>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// The response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The receipt of either version.
    pub fn receipt(&self) -> Option<Value> {
        let header = self
            .headers
            .get(wire::PAYMENT_RESPONSE)
            .or(self.headers.get(wire::X_PAYMENT_RESPONSE))?;
        Some(wire::decode(header.as_bytes()).unwrap())
    }

    /// The code of an error.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

impl Buyer {
    /// Customer `number`. Its key is different from all others in this test run, and can be derived
    /// by anyone, so it never holds money.
    pub fn new(number: u64) -> Self {
        let digest = keccak256(format!("infra402 test customer {number}"));
        Self {
            key: PrivateKeySigner::from_bytes(&digest).unwrap(),
        }
    }

    /// The same with play money.
    pub async fn funded(app: &TestApp, number: u64) -> Self {
        let buyer = Self::new(number);
        app.fund(buyer.wallet()).await;
        buyer
    }

    pub fn wallet(&self) -> Address {
        self.key.address()
    }

    /// Requests a challenge of version 2 and signs it.
    pub async fn sign(
        &self,
        app: &TestApp,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Signed {
        let challenge = call(app, &method, path, body.as_ref(), &[]).await;
        assert_eq!(challenge.status, 402, "{:?}", challenge.body);
        let required = &challenge.headers[wire::PAYMENT_REQUIRED];
        let challenge = Challenge::V2(wire::decode(required.as_bytes()).unwrap());
        self.sign_challenge(app, &challenge, method, path, body)
    }

    /// Signs a challenge of either version.
    pub fn sign_challenge(
        &self,
        app: &TestApp,
        challenge: &Challenge,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Signed {
        let limits = SpendingLimits {
            max_amount: u64::MAX,
            networks: &["base-sepolia"],
        };
        let chosen = challenge.choose(&limits).unwrap();
        let now = app.clock.unix_seconds();
        let message = chosen.authorization(self.wallet(), now, eip3009::random_nonce());
        let signature =
            eip3009::sign(&self.key, chosen.network, &chosen.network.usdc, &message).unwrap();
        Signed {
            method,
            path: path.to_owned(),
            body,
            payment: chosen.payment(message, signature, None),
            key: None,
            headers: Vec::new(),
        }
    }

    /// Signs and sends.
    pub async fn pay(
        &self,
        app: &TestApp,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        self.sign(app, method, path, body).await.send(app).await
    }

    /// The challenge's text, signed.
    pub async fn signed_text(&self, app: &TestApp) -> Value {
        let ask = json!({"address": self.wallet()});
        let challenge = call(app, &Method::POST, "/session/challenge", Some(&ask), &[]).await;
        assert_eq!(challenge.status, 200, "{:?}", challenge.body);
        let message = challenge.body["message"].as_str().unwrap();
        let signature = self.key.sign_message_sync(message.as_bytes()).unwrap();
        json!({"message": message, "signature": signature.to_string()})
    }

    /// Signs in.
    pub async fn sign_in(&self, app: &TestApp) -> SignedIn {
        let signed = self.signed_text(app).await;
        let session = call(app, &Method::POST, "/session", Some(&signed), &[]).await;
        assert_eq!(session.status, 200, "{:?}", session.body);
        SignedIn(session.body["token"].as_str().unwrap().to_owned())
    }

    /// Leases a container.
    pub async fn lease(&self, app: &TestApp, body: Value) -> Answer {
        self.pay(app, Method::POST, "/lease/container", Some(body))
            .await
    }

    /// Renews a lease.
    pub async fn renew(&self, app: &TestApp, ctid: impl Display, minutes: u32) -> Answer {
        let path = format!("/lease/{ctid}/renew");
        let body = json!({ "runtimeMinutes": minutes });
        self.pay(app, Method::POST, &path, Some(body)).await
    }
}

impl Signed {
    /// The same under a key of the client's.
    pub fn with_key(self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self
        }
    }

    /// The same from this address, as a proxy of ours passes it on.
    pub fn from(self, address: &str) -> Self {
        self.with_header("x-forwarded-for", address)
    }

    /// The same with a further header.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub async fn send(&self, app: &TestApp) -> Answer {
        let (name, value) = self.payment.to_header();
        let mut headers = vec![(name, value)];
        if let Some(key) = &self.key {
            headers.push(("idempotency-key", key.clone()));
        }
        headers.extend(self.headers.clone());
        call(app, &self.method, &self.path, self.body.as_ref(), &headers).await
    }
}

/// A session.
#[derive(Clone)]
pub struct SignedIn(pub String);

impl SignedIn {
    /// A request with this session.
    pub async fn call(&self, app: &TestApp, method: Method, path: &str) -> Answer {
        let bearer = [("authorization", format!("Bearer {}", self.0))];
        call(app, &method, path, None, &bearer).await
    }

    /// A `GET` request with this session.
    pub async fn get(&self, app: &TestApp, path: &str) -> Answer {
        self.call(app, Method::GET, path).await
    }
}

/// Sends any request.
pub async fn call(
    app: &TestApp,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    headers: &[(&str, String)],
) -> Answer {
    let mut request = app
        .http
        .request(method.clone(), format!("{}{path}", app.url));
    if let Some(body) = body {
        request = request.json(body);
    }
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer {
        status,
        headers,
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}
