//! An HTTP client that pays.
//!
//! It signs once per request. If a response gets lost after that, the same signature is sent again:
//! it can move money only once, while a second signature could move money twice.

mod deliver;
mod error;

pub use deliver::{DeliveryPolicy, IDEMPOTENCY_KEY};
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
    purchase::{Challenge, Chosen, SpendingLimits},
    reason::Reason,
    wire::{header, receipt::Receipt},
};

/// The maximum size of a 402's body, in bytes.
pub const MAX_CHALLENGE: usize = 64 * 1024;
/// The maximum price of a request unless the builder sets another: $0.10, as in the reference
/// client of version 1.
pub const DEFAULT_MAX_PRICE: u64 = 100_000;

/// An HTTP client that pays for requests, within limits.
#[derive(Clone)]
pub struct PayingClient {
    http: reqwest::Client,
    signer: PrivateKeySigner,
    max_price: u64,
    networks: Vec<String>,
    delivery: DeliveryPolicy,
}

/// Builds a [`PayingClient`].
#[derive(Debug)]
pub struct Builder(PayingClient);

/// A response and its price.
#[derive(Debug)]
pub struct PaidResponse {
    /// The server's response. A second 402, after a refused payment, is returned unchanged.
    pub response: Response,
    /// The server's receipt.
    pub receipt: Option<Receipt>,
    /// The atomic units that moved, if the receipt reports them.
    pub paid: Option<u64>,
}

impl PayingClient {
    /// A client that pays with `signer`'s USDC, at most [`DEFAULT_MAX_PRICE`] per request. No
    /// network is allowed yet. `http` should follow no redirects, because a payment is for the
    /// server that asked.
    #[must_use]
    pub fn builder(http: reqwest::Client, signer: PrivateKeySigner) -> Builder {
        Builder(Self {
            http,
            signer,
            max_price: DEFAULT_MAX_PRICE,
            networks: Vec::new(),
            delivery: DeliveryPolicy::default(),
        })
    }

    /// The payer's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Sends the request, and pays if the response is a 402.
    ///
    /// # Errors
    /// See [`ClientError`]. Money can have moved only with [`ClientError::Lost`].
    pub async fn send(&self, request: RequestBuilder) -> Result<PaidResponse, ClientError> {
        let mut request = request.build().map_err(ClientError::Unpaid)?;
        let idempotency_key = idempotency_key(&mut request);
        let probe = request.try_clone().ok_or(ClientError::NotRepeatable)?;
        let response = self
            .http
            .execute(probe)
            .await
            .map_err(ClientError::Unpaid)?;
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return Ok(PaidResponse::new(response, None));
        }
        let chosen = read_challenge(response).await?.choose(&SpendingLimits {
            max_amount: self.max_price,
            networks: &self.networks.iter().map(String::as_str).collect::<Vec<_>>(),
        })?;
        let payment = self.sign(&chosen, &idempotency_key)?;
        let response = self.delivery.send(&self.http, &request, &payment).await?;
        Ok(PaidResponse::new(response, Some(chosen.amount)))
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
    /// The maximum price of one request, in atomic units.
    #[must_use]
    pub fn max_price(mut self, atomic_units: u64) -> Self {
        self.0.max_price = atomic_units;
        self
    }

    /// The networks to pay on, by either name.
    #[must_use]
    pub fn networks<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.0.networks = names.into_iter().map(Into::into).collect();
        self
    }

    /// The attempts and backoff of a signed payment.
    #[must_use]
    pub fn delivery(mut self, delivery: DeliveryPolicy) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> PayingClient {
        self.0
    }
}

impl PaidResponse {
    fn new(response: Response, price: Option<u64>) -> Self {
        let receipt = receipt(&response);
        let moved = receipt.as_ref().is_some_and(|r| r.success);
        Self {
            response,
            receipt,
            paid: price.filter(|_| moved),
        }
    }
}

/// The receipt of a response, from either version's header.
#[must_use]
pub fn receipt(response: &Response) -> Option<Receipt> {
    [header::PAYMENT_RESPONSE, header::X_PAYMENT_RESPONSE]
        .iter()
        .find_map(|name| response.headers().get(*name))
        .and_then(|value| header::decode(value.as_bytes()).ok())
}

/// Reads a 402 within this crate's size limits.
///
/// # Errors
/// [`ClientError::Challenge`], or [`ClientError::Unpaid`] if the body breaks off.
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

/// The request's idempotency key; a new one is added if it has none.
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
