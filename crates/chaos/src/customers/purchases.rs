//! The requests of customers and the responses that they got.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::primitives::{Address, B256};
use reqwest::Method;
use serde_json::Value;
use x402::payment::Payment;

/// A paid operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseKind {
    /// A container.
    Lease,
    /// More time.
    Renew,
    /// A command.
    Exec,
    /// The list of containers.
    List,
    /// A terminal.
    Console,
}

impl PurchaseKind {
    /// Its name in counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Renew => "renew",
            Self::Exec => "exec",
            Self::List => "list",
            Self::Console => "console",
        }
    }
}

/// A response, or the lack of one.
#[derive(Clone, Debug)]
pub struct ClientResponse {
    /// The HTTP status; 0 where no response came.
    pub status: u16,
    /// The code of an error.
    pub code: String,
    /// The JSON of the body.
    pub body: Value,
    /// The receipt, of either version.
    pub receipt: Option<Value>,
}

impl ClientResponse {
    /// Whether the payer knows the outcome of the payment.
    pub fn is_final(&self) -> bool {
        match self.status {
            200..=299 => self.status != 202,
            0 | 429 | 500..=599 => false,
            409 => !matches!(self.code.as_str(), "payment_in_progress" | "lease_conflict"),
            _ => true,
        }
    }

    /// The transaction of a successful receipt.
    pub fn paid_by(&self) -> Option<&str> {
        let receipt = self.receipt.as_ref()?;
        let paid = receipt["success"] == true;
        receipt["transaction"].as_str().filter(|_| paid)
    }
}

/// One signed payment.
#[derive(Clone)]
pub struct Purchase {
    /// The paid operation.
    pub kind: PurchaseKind,
    /// The wallet that pays.
    pub payer: Address,
    /// The authorization's nonce.
    pub nonce: B256,
    /// The end of the authorization's window, in Unix seconds.
    pub valid_before: u64,
    /// The method of the route.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body.
    pub body: Option<Value>,
    /// The signed payment, which each attempt sends byte for byte.
    pub payment: Payment,
    /// The `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The client's address, sent as `X-Forwarded-For`.
    pub client_address: String,
    /// The mark that a command writes when it runs.
    pub mark: Option<String>,
    /// The responses, in the order in which they came.
    pub responses: Vec<ClientResponse>,
}

impl Purchase {
    /// Whether the idempotency key is long enough for a replay to get the answer.
    pub fn has_valid_key(&self) -> bool {
        self.idempotency_key
            .as_ref()
            .is_some_and(|idempotency_key| idempotency_key.len() >= 16)
    }
}

/// All purchases of a campaign.
#[derive(Clone, Default)]
pub struct Purchases(Arc<Mutex<Vec<Purchase>>>);

impl Purchases {
    fn lines(&self) -> MutexGuard<'_, Vec<Purchase>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a purchase and gives its number.
    pub fn add(&self, purchase: Purchase) -> usize {
        let mut lines = self.lines();
        lines.push(purchase);
        lines.len() - 1
    }

    /// Adds a response to a purchase.
    pub fn add_response(&self, number: usize, response: ClientResponse) {
        self.lines()[number].responses.push(response);
    }

    /// A purchase as it is now.
    pub fn get(&self, number: usize) -> Purchase {
        self.lines()[number].clone()
    }

    /// All purchases as they are now.
    pub fn all(&self) -> Vec<Purchase> {
        self.lines().clone()
    }
}
