//! The counter at which customers are served: calls over HTTP to one replica or to all, and what
//! comes back.

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
    purchase::{Challenge, Limits},
    wire::{header as wire, v1},
};

use crate::{
    clock::Clock,
    customers::purchases::{Book, Order, Purchase, Told},
    journal::Journal,
    random::Dice,
};

/// What all customers share.
#[derive(Clone)]
pub struct Counter {
    /// The replicas' addresses.
    pub urls: Vec<String>,
    /// Without connections that are kept: a killed process would leave dead ones.
    pub http: reqwest::Client,
    /// The campaign's time.
    pub clock: Arc<Clock>,
    /// What was asked and told.
    pub book: Book,
    /// What happened.
    pub journal: Arc<Journal>,
}

/// What is asked for.
pub struct Wish {
    /// What for.
    pub order: Order,
    /// Method of the route.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// The body.
    pub body: Option<Value>,
    /// What a command leaves behind.
    pub mark: Option<String>,
}

impl Counter {
    /// Asks for the price and signs it.
    ///
    /// # Errors
    /// There is no price now.
    pub async fn sign(
        &self,
        wallet: &PrivateKeySigner,
        wish: Wish,
        dice: &mut Dice,
    ) -> Result<usize> {
        let (address, replica) = (address(dice), dice.between(0, 99) as usize);
        let url = format!("{}{}", self.urls[replica % self.urls.len()], wish.path);
        let mut request = self
            .http
            .request(wish.method.clone(), url)
            .header("x-forwarded-for", &address)
            .timeout(Duration::from_secs(5));
        if let Some(body) = &wish.body {
            request = request.json(body);
        }
        // Before the answer, so that the stream does not depend on it.
        let (second, nonce) = (dice.percent(70), dice.bytes());
        let key = key(dice);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        if status != 402 {
            let body: Value = answer.json().await.unwrap_or_default();
            bail!("{status} {}", code(&body));
        }
        let required = answer.headers().get(wire::PAYMENT_REQUIRED).cloned();
        let challenge = if second {
            let header = required.context("no header")?;
            Challenge::V2(
                wire::decode(header.as_bytes()).map_err(|why| anyhow::anyhow!("{why:?}"))?,
            )
        } else {
            let body: v1::PaymentRequirementsResponse = answer.json().await?;
            Challenge::V1(body)
        };
        let chosen = challenge.choose(&Limits {
            max_amount: u64::MAX,
            networks: &["base-sepolia"],
        })?;
        let message = chosen.authorization(wallet.address(), self.clock.seconds(), nonce);
        let signature = eip3009::sign(wallet, chosen.network, &chosen.network.usdc, &message)?;
        let valid_before = u64::try_from(message.valid_before).unwrap_or(u64::MAX);
        let amount = u64::try_from(message.value).unwrap_or(u64::MAX);
        self.journal.count("signed", wish.order.name());
        let text = format!("client: signs {} for {} {}", amount, wish.method, wish.path);
        self.journal.note(&nonce.to_string(), text);
        Ok(self.book.open(Purchase {
            order: wish.order,
            payer: wallet.address(),
            nonce,
            valid_before,
            method: wish.method,
            path: wish.path,
            body: wish.body,
            payment: chosen.payment(message, signature, None),
            key,
            address,
            mark: wish.mark,
            told: Vec::new(),
        }))
    }

    /// Sends a signed request to a replica, and records the answer.
    pub async fn send(&self, number: usize, replica: usize, patience: Duration) -> Told {
        let purchase = self.book.get(number);
        let replica = replica % self.urls.len();
        let url = format!("{}{}", self.urls[replica], purchase.path);
        let (name, value) = purchase.payment.to_header();
        let mut request = self
            .http
            .request(purchase.method.clone(), url)
            .header(name, value)
            .header("x-forwarded-for", &purchase.address)
            .timeout(patience);
        if let Some(key) = &purchase.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = &purchase.body {
            request = request.json(body);
        }
        let told = read(request).await;
        let outcome = match told.status {
            0 => format!("no answer ({})", told.code),
            status if told.code.is_empty() => status.to_string(),
            status => format!("{status} {}", told.code),
        };
        self.journal.count(purchase.order.name(), &outcome);
        let paid = told.paid_by().map(|by| format!(", paid by {by}"));
        let paid = paid.unwrap_or_default();
        let text = format!("client: api-{replica} answers {outcome}{paid}");
        self.journal.note(&purchase.nonce.to_string(), text);
        self.book.tell(number, told.clone());
        told
    }

    /// Signs in; none where that fails.
    pub async fn sign_in(&self, wallet: &PrivateKeySigner, replica: usize) -> Option<String> {
        let url = &self.urls[replica % self.urls.len()];
        let (first, second) = (format!("{url}/session/challenge"), format!("{url}/session"));
        let ask = json!({"address": wallet.address()});
        let challenge = self.free(Method::POST, &first, None, Some(ask)).await;
        let message = challenge.body["message"].as_str()?;
        let signature = wallet.sign_message_sync(message.as_bytes()).ok()?;
        let signed = json!({"message": message, "signature": signature.to_string()});
        let session = self.free(Method::POST, &second, None, Some(signed));
        Some(session.await.body["token"].as_str()?.to_owned())
    }

    /// A call without a payment.
    pub async fn free(
        &self,
        method: Method,
        url: &str,
        session: Option<&str>,
        body: Option<Value>,
    ) -> Told {
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
        read(request).await
    }

    /// The same at a replica's path.
    pub async fn at(
        &self,
        replica: usize,
        method: Method,
        path: &str,
        session: Option<&str>,
    ) -> Told {
        let url = format!("{}{path}", self.urls[replica % self.urls.len()]);
        self.free(method, &url, session, None).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> Told {
    let nothing = |error: &reqwest::Error| Told {
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
            Told {
                status,
                code: code(&body),
                body,
                receipt,
            }
        }
        Err(error) => nothing(&error),
    }
}

/// The code of an error, in the envelope or in a 402.
fn code(body: &Value) -> String {
    let envelope = body["error"]["code"].as_str();
    let challenge = body["error"].as_str();
    envelope.or(challenge).unwrap_or_default().to_owned()
}

/// Mostly a good one; some are too short, and some clients have none.
fn key(dice: &mut Dice) -> Option<String> {
    let bytes = dice.bytes().to_string();
    match dice.between(0, 99) {
        0..80 => Some(bytes[2..34].to_owned()),
        80..86 => Some(bytes[2..10].to_owned()),
        _ => None,
    }
}

/// Some customer's address.
fn address(dice: &mut Dice) -> String {
    let mut part = || dice.between(1, 250);
    format!("100.{}.{}.{}", 64 + part() % 64, part(), part())
}

/// The wallet of a customer, whose key everybody can make: it never holds money that is worth
/// anything.
pub fn wallet(seed: u64, name: &str) -> PrivateKeySigner {
    let digest = alloy::primitives::keccak256(format!("infra402 chaos customer {seed} {name}"));
    PrivateKeySigner::from_bytes(&digest).unwrap_or_else(|_| PrivateKeySigner::random())
}

/// Lower case, as the store writes it.
pub fn lower(account: Address) -> String {
    account.to_string().to_lowercase()
}
