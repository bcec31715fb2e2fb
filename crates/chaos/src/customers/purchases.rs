//! What customers asked for and what they were told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::primitives::{Address, B256};
use reqwest::Method;
use serde_json::Value;
use x402::payment::Payment;

/// What is bought.
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

/// An answer, or none.
#[derive(Clone, Debug)]
pub struct ClientResponse {
    /// 0 where no answer came.
    pub status: u16,
    /// The code of an error.
    pub code: String,
    /// The JSON of the body.
    pub body: Value,
    /// The receipt, of either version.
    pub receipt: Option<Value>,
}

impl ClientResponse {
    /// Whether the payer knows what became of the money.
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
    /// What for.
    pub kind: PurchaseKind,
    /// Who pays.
    pub payer: Address,
    /// Of the authorization.
    pub nonce: B256,
    /// Unix seconds.
    pub valid_before: u64,
    /// Method and path.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The body.
    pub body: Option<Value>,
    /// What is sent each time, byte for byte.
    pub payment: Payment,
    /// The `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The address that it seems to come from.
    pub client_address: String,
    /// What a command leaves behind.
    pub mark: Option<String>,
    /// The answers, in the order in which they came.
    pub responses: Vec<ClientResponse>,
}

impl Purchase {
    /// Whether the key is one with which the answer is given again.
    pub fn has_valid_key(&self) -> bool {
        self.idempotency_key
            .as_ref()
            .is_some_and(|idempotency_key| idempotency_key.len() >= 16)
    }
}

/// All of them.
#[derive(Clone, Default)]
pub struct Purchases(Arc<Mutex<Vec<Purchase>>>);

impl Purchases {
    fn lines(&self) -> MutexGuard<'_, Vec<Purchase>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one down and gives its number.
    pub fn add(&self, purchase: Purchase) -> usize {
        let mut lines = self.lines();
        lines.push(purchase);
        lines.len() - 1
    }

    /// Notes an answer.
    pub fn add_response(&self, number: usize, response: ClientResponse) {
        self.lines()[number].responses.push(response);
    }

    /// One of them, as it is now.
    pub fn get(&self, number: usize) -> Purchase {
        self.lines()[number].clone()
    }

    /// All, as they are now.
    pub fn all(&self) -> Vec<Purchase> {
        self.lines().clone()
    }
}
