//! An HTTP client that pays.
//!
//! It signs once per call. When an answer gets lost after that, the same signature is sent again:
//! it can move money once, however often it arrives, while a second one could move money twice.

mod deliver;
mod error;

pub use deliver::{Delivery, IDEMPOTENCY_KEY};
pub use error::ClientError;

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use reqwest::{Request, RequestBuilder, Response, StatusCode, header::HeaderValue};

use crate::{
    eip3009,
    payment::Payment,
    purchase::{Challenge, Chosen, Limits},
    reason::Reason,
    wire::{header, receipt::Receipt},
};

/// The largest body of a 402 that is read.
pub const MAX_CHALLENGE: usize = 64 * 1024;
/// The most that a call may cost unless the builder says otherwise: $0.10, as for the reference
/// client of version 1.
pub const DEFAULT_MAX_PRICE: u64 = 100_000;

/// Pays for what it asks for, within limits.
#[derive(Clone)]
pub struct PayingClient {
    http: reqwest::Client,
    signer: PrivateKeySigner,
    max_price: u64,
    networks: Vec<String>,
    delivery: Delivery,
}

/// Makes a [`PayingClient`].
#[derive(Debug)]
pub struct Builder(PayingClient);

/// An answer, and what it cost.
#[derive(Debug)]
pub struct Paid {
    /// The server's answer; a second 402, after the payment was refused, is returned as it came.
    pub response: Response,
    /// What the server says of the settlement.
    pub receipt: Option<Receipt>,
    /// Atomic units, where the receipt says that they moved.
    pub paid: Option<u64>,
}

impl PayingClient {
    /// A client that pays with `signer`'s USDC on no network yet, at most [`DEFAULT_MAX_PRICE`] a
    /// call. `http` should follow no redirects, because a payment is for the server that asked.
    #[must_use]
    pub fn builder(http: reqwest::Client, signer: PrivateKeySigner) -> Builder {
        Builder(Self {
            http,
            signer,
            max_price: DEFAULT_MAX_PRICE,
            networks: Vec::new(),
            delivery: Delivery::default(),
        })
    }

    /// Who pays.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Sends the request, and pays if the answer is a 402.
    ///
    /// # Errors
    /// See [`ClientError`]; only [`ClientError::Lost`] can have cost anything.
    pub async fn send(&self, request: RequestBuilder) -> Result<Paid, ClientError> {
        let mut request = request.build().map_err(ClientError::Unpaid)?;
        let idempotency_key = idempotency_key(&mut request);
        let probe = request.try_clone().ok_or(ClientError::NotRepeatable)?;
        let response = self
            .http
            .execute(probe)
            .await
            .map_err(ClientError::Unpaid)?;
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return Ok(Paid::of(response, None));
        }
        let chosen = read_challenge(response).await?.choose(&Limits {
            max_amount: self.max_price,
            networks: &self.networks.iter().map(String::as_str).collect::<Vec<_>>(),
        })?;
        let payment = self.sign(&chosen, &idempotency_key)?;
        let response = self.delivery.send(&self.http, &request, &payment).await?;
        Ok(Paid::of(response, Some(chosen.amount)))
    }

    fn sign(&self, chosen: &Chosen, id: &str) -> Result<Payment, ClientError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let message = chosen.authorization(self.address(), now, eip3009::random_nonce());
        let signature = eip3009::sign(&self.signer, chosen.network, &chosen.network.usdc, &message)
            .map_err(ClientError::Signing)?;
        let fits = (16..=128).contains(&id.len()).then_some(id);
        Ok(chosen.payment(message, signature, fits))
    }
}

impl fmt::Debug for PayingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayingClient")
            .field("address", &self.address())
            .field("max_price", &self.max_price)
            .field("networks", &self.networks)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// The most that one call may cost, in atomic units.
    #[must_use]
    pub fn max_price(mut self, atomic_units: u64) -> Self {
        self.0.max_price = atomic_units;
        self
    }

    /// The networks on which to pay, in either spelling.
    #[must_use]
    pub fn networks<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.networks = names.into_iter().map(Into::into).collect();
        self
    }

    /// How often and how patiently a signed payment is sent.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> PayingClient {
        self.0
    }
}

impl Paid {
    fn of(response: Response, price: Option<u64>) -> Self {
        let receipt = receipt(&response);
        let moved = receipt.as_ref().is_some_and(|r| r.success);
        Self {
            response,
            receipt,
            paid: price.filter(|_| moved),
        }
    }
}

/// What an answer says of its settlement, in either version's header.
#[must_use]
pub fn receipt(response: &Response) -> Option<Receipt> {
    [header::PAYMENT_RESPONSE, header::X_PAYMENT_RESPONSE]
        .iter()
        .find_map(|name| response.headers().get(*name))
        .and_then(|value| header::decode(value.as_bytes()).ok())
}

/// Reads a 402 by this crate's own bounds.
///
/// # Errors
/// [`ClientError::Challenge`], or [`ClientError::Unpaid`] where the body breaks off.
pub async fn read_challenge(mut response: Response) -> Result<Challenge, ClientError> {
    let required = response
        .headers()
        .get(header::PAYMENT_REQUIRED)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ClientError::Unpaid)? {
        if body.len() + chunk.len() > MAX_CHALLENGE {
            let message = format!("its body is larger than {MAX_CHALLENGE} bytes");
            return Err(ClientError::Challenge(Reason::payload(message)));
        }
        body.extend_from_slice(&chunk);
    }
    Challenge::from_response(required.as_deref(), &body).map_err(ClientError::Challenge)
}

/// The request's own key, or a new one put into it.
fn idempotency_key(request: &mut Request) -> String {
    let given = request.headers().get(IDEMPOTENCY_KEY);
    if let Some(given) = given.and_then(|key| key.to_str().ok()) {
        return given.to_owned();
    }
    let made = format!("x402-{:x}", eip3009::random_nonce());
    let value = HeaderValue::from_str(&made).expect("letters and digits make a header value");
    request.headers_mut().insert(IDEMPOTENCY_KEY, value);
    made
}
