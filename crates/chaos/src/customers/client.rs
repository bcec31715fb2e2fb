//! The HTTP client of the customers: requests to one of the replicas, and their responses.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::Address,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use x402::{
    eip3009,
    purchase::{Challenge, SpendingLimits},
    wire::{header as wire, v1},
};

use crate::{
    clock::CampaignClock,
    customers::purchases::{ClientResponse, Purchase, PurchaseKind, Purchases},
    journal::Journal,
    random::SeededRandom,
};

/// The client that all customers share.
#[derive(Clone)]
pub struct ApiClient {
    /// The replicas' addresses.
    pub urls: Vec<String>,
    /// It keeps no idle connections, since a killed process would leave dead ones.
    pub http: reqwest::Client,
    /// The campaign's time.
    pub clock: Arc<CampaignClock>,
    /// The requests and their responses.
    pub purchases: Purchases,
    /// The campaign's events.
    pub journal: Arc<Journal>,
}

/// A request for a paid operation.
pub struct PurchaseRequest {
    /// The paid operation.
    pub kind: PurchaseKind,
    /// The method of the route.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// The body.
    pub body: Option<Value>,
    /// The mark that a command writes when it runs.
    pub mark: Option<String>,
}

impl ApiClient {
    /// Asks for the price and signs a payment; gives the number of the purchase.
    ///
    /// # Errors
    /// The service names no price.
    pub async fn sign(
        &self,
        wallet: &PrivateKeySigner,
        wanted: PurchaseRequest,
        random: &mut SeededRandom,
    ) -> Result<usize> {
        let (client_address, replica) = (client_address(random), random.between(0, 99) as usize);
        let url = format!("{}{}", self.urls[replica % self.urls.len()], wanted.path);
        let mut request = self
            .http
            .request(wanted.method.clone(), url)
            .header("x-forwarded-for", &client_address)
            .timeout(Duration::from_secs(5));
        if let Some(body) = &wanted.body {
            request = request.json(body);
        }
        // Drawn before the response, so that the stream does not depend on it.
        let (is_v2, nonce) = (random.percent(70), random.bytes());
        let idempotency_key = idempotency_key(random);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        if status != 402 {
            let body: Value = answer.json().await.unwrap_or_default();
            bail!("{status} {}", error_code(&body));
        }
        let required = answer.headers().get(wire::PAYMENT_REQUIRED).cloned();
        let challenge = if is_v2 {
            let header = required.context("no header")?;
            Challenge::V2(
                wire::decode(header.as_bytes()).map_err(|why| anyhow::anyhow!("{why:?}"))?,
            )
        } else {
            let body: v1::PaymentRequirementsResponse = answer.json().await?;
            Challenge::V1(body)
        };
        let chosen = challenge.choose(&SpendingLimits {
            max_amount: u64::MAX,
            networks: &["base-sepolia"],
        })?;
        let message = chosen.authorization(wallet.address(), self.clock.seconds(), nonce);
        let signature = eip3009::sign(wallet, chosen.network, &chosen.network.usdc, &message)?;
        let valid_before = u64::try_from(message.valid_before).unwrap_or(u64::MAX);
        let amount = u64::try_from(message.value).unwrap_or(u64::MAX);
        self.journal.count("signed", wanted.kind.name());
        let text = format!(
            "client: signs {} for {} {}",
            amount, wanted.method, wanted.path
        );
        self.journal.record(&nonce.to_string(), text);
        Ok(self.purchases.add(Purchase {
            kind: wanted.kind,
            payer: wallet.address(),
            nonce,
            valid_before,
            method: wanted.method,
            path: wanted.path,
            body: wanted.body,
            payment: chosen.payment(message, signature, None),
            idempotency_key,
            client_address,
            mark: wanted.mark,
            responses: Vec::new(),
        }))
    }

    /// Sends a signed request to a replica, and records the response.
    pub async fn send(&self, number: usize, replica: usize, timeout: Duration) -> ClientResponse {
        let purchase = self.purchases.get(number);
        let replica = replica % self.urls.len();
        let url = format!("{}{}", self.urls[replica], purchase.path);
        let (name, value) = purchase.payment.to_header();
        let mut request = self
            .http
            .request(purchase.method.clone(), url)
            .header(name, value)
            .header("x-forwarded-for", &purchase.client_address)
            .timeout(timeout);
        if let Some(idempotency_key) = &purchase.idempotency_key {
            request = request.header("idempotency-key", idempotency_key);
        }
        if let Some(body) = &purchase.body {
            request = request.json(body);
        }
        let response = read_response(request).await;
        let outcome = match response.status {
            0 => format!("no answer ({})", response.code),
            status if response.code.is_empty() => status.to_string(),
            status => format!("{status} {}", response.code),
        };
        self.journal.count(purchase.kind.name(), &outcome);
        let paid = response.paid_by().map(|by| format!(", paid by {by}"));
        let paid = paid.unwrap_or_default();
        let text = format!("client: api-{replica} answers {outcome}{paid}");
        self.journal.record(&purchase.nonce.to_string(), text);
        self.purchases.add_response(number, response.clone());
        response
    }

    /// Signs in and gives the session's token; `None` where that fails.
    pub async fn sign_in(&self, wallet: &PrivateKeySigner, replica: usize) -> Option<String> {
        let url = &self.urls[replica % self.urls.len()];
        let (first, is_v2) = (format!("{url}/session/challenge"), format!("{url}/session"));
        let ask = json!({"address": wallet.address()});
        let challenge = self
            .send_unpaid(Method::POST, &first, None, Some(ask))
            .await;
        let message = challenge.body["message"].as_str()?;
        let signature = wallet.sign_message_sync(message.as_bytes()).ok()?;
        let signed = json!({"message": message, "signature": signature.to_string()});
        let session = self.send_unpaid(Method::POST, &is_v2, None, Some(signed));
        Some(session.await.body["token"].as_str()?.to_owned())
    }

    /// Sends a request without a payment.
    pub async fn send_unpaid(
        &self,
        method: Method,
        url: &str,
        session: Option<&str>,
        body: Option<Value>,
    ) -> ClientResponse {
        let mut request = self
            .http
            .request(method, url)
            .timeout(Duration::from_secs(20));
        if let Some(token) = session {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        read_response(request).await
    }

    /// Sends a request without a payment to a path of a replica.
    pub async fn send_to_replica(
        &self,
        replica: usize,
        method: Method,
        path: &str,
        session: Option<&str>,
    ) -> ClientResponse {
        let url = format!("{}{path}", self.urls[replica % self.urls.len()]);
        self.send_unpaid(method, &url, session, None).await
    }
}

async fn read_response(request: reqwest::RequestBuilder) -> ClientResponse {
    let nothing = |error: &reqwest::Error| ClientResponse {
        status: 0,
        code: if error.is_timeout() {
            "patience"
        } else {
            "connection"
        }
        .into(),
        body: Value::Null,
        receipt: None,
    };
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return nothing(&error),
    };
    let status = response.status().as_u16();
    let receipt = [wire::PAYMENT_RESPONSE, wire::X_PAYMENT_RESPONSE]
        .iter()
        .find_map(|name| wire::decode(response.headers().get(*name)?.as_bytes()).ok());
    match response.bytes().await {
        Ok(bytes) => {
            let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            ClientResponse {
                status,
                code: error_code(&body),
                body,
                receipt,
            }
        }
        Err(error) => nothing(&error),
    }
}

/// The code of an error, in the error envelope or in a 402.
fn error_code(body: &Value) -> String {
    let envelope = body["error"]["code"].as_str();
    let challenge = body["error"].as_str();
    envelope.or(challenge).unwrap_or_default().to_owned()
}

/// An `Idempotency-Key`: mostly a valid one; some are too short, and some clients send none.
fn idempotency_key(random: &mut SeededRandom) -> Option<String> {
    let bytes = random.bytes().to_string();
    match random.between(0, 99) {
        0..80 => Some(bytes[2..34].to_owned()),
        80..86 => Some(bytes[2..10].to_owned()),
        _ => None,
    }
}

/// A random address of a customer.
fn client_address(random: &mut SeededRandom) -> String {
    let mut part = || random.between(1, 250);
    format!("100.{}.{}.{}", 64 + part() % 64, part(), part())
}

/// The wallet of a customer. Its key is derived from public values, and it never holds real money.
pub fn wallet(seed: u64, name: &str) -> PrivateKeySigner {
    let digest = alloy::primitives::keccak256(format!("infra402 chaos customer {seed} {name}"));
    PrivateKeySigner::from_bytes(&digest).unwrap_or_else(|_| PrivateKeySigner::random())
}

/// An address as the store writes it, in lower case.
pub fn store_address(account: Address) -> String {
    account.to_string().to_lowercase()
}
