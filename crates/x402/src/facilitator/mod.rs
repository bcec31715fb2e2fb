//! Facilitators: they verify a payment and move the money.
//!
//! A settlement has four outcomes and never an error. If it is not certain that a settlement
//! failed, money may have moved, and the outcome is [`Settlement::Unknown`]. Callers keep a payment
//! with an unknown outcome and ask again with the same request; they never ask the customer to sign
//! again.

#[cfg(feature = "cdp")]
pub mod cdp;
pub mod demo;
#[cfg(feature = "faults")]
pub mod faults;
pub mod http;
pub mod ledger;
#[cfg(feature = "onchain")]
pub mod onchain;
mod refusal;
mod terms;
#[cfg(test)]
mod tests;

use alloy::primitives::Address;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::refusal::{RefusalProof, says_nonce_used};
pub use crate::offer::FacilitatorRequest;
use crate::{
    network::Network,
    wire::{Rest, receipt::Receipt},
};

/// Verifies and settles payments.
#[async_trait]
pub trait Facilitator: Send + Sync + 'static {
    /// Whether the payment would settle now.
    ///
    /// # Errors
    /// The facilitator did not answer, or its answer cannot be read: there is no decision.
    async fn verify(&self, request: &FacilitatorRequest) -> Result<Verification, FacilitatorError>;

    /// Moves the money. The same request may be sent repeatedly and moves it once.
    async fn settle(&self, request: &FacilitatorRequest) -> Settlement;

    /// The supported versions, schemes and networks.
    ///
    /// # Errors
    /// As for [`Facilitator::verify`].
    async fn supported(&self) -> Result<Supported, FacilitatorError>;

    /// Whether the facilitator could settle now, apart from the payment itself. The check is cheap.
    ///
    /// # Errors
    /// [`FacilitatorError::NotReady`], with a text for the public.
    async fn ready(&self) -> Result<(), FacilitatorError> {
        Ok(())
    }

    /// The description for operators and customers.
    fn describe(&self) -> Description;
}

/// The decision of a verification, before money moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The payment would settle.
    Valid {
        /// The payer, as the facilitator found.
        payer: Option<Address>,
    },
    /// The payment would not settle.
    Invalid {
        /// The SDKs' error code.
        reason: String,
        /// The facilitator's own message.
        message: Option<String>,
    },
}

/// The outcome of a settlement.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// The money moved.
    Settled {
        /// The receipt for the customer.
        receipt: Receipt,
        /// The transfer, if it was read from the chain itself.
        evidence: Option<TransferEvidence>,
    },
    /// The money did not move by this request. This proves nothing about an earlier copy with an
    /// unknown outcome, see [`RefusalProof`]; the caller then asks the chain.
    Refused {
        /// The SDKs' error code.
        reason: String,
        /// The facilitator's own message.
        message: Option<String>,
    },
    /// This request sent nothing, and the facilitator knows of no earlier sending for this payment.
    /// If it was the first settlement, the caller may release the payment; it proves nothing about
    /// an earlier copy.
    Unsent {
        /// The cause.
        reason: String,
        /// Seconds after which a retry may succeed.
        retry_after: Option<u64>,
    },
    /// The outcome is unknown.
    Unknown {
        /// The cause.
        reason: String,
        /// The hash of the transaction, if one was named.
        transaction: Option<String>,
    },
}

/// One transfer of the token, with its position on the chain. One transfer pays for one thing, so a
/// service stores it as unique together with the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferEvidence {
    /// The transaction's hash, 0x-prefixed.
    pub transaction: String,
    /// The log's index in its block; absent if no chain was read.
    pub log_index: Option<u64>,
    /// The block's number; absent if no chain was read.
    pub block: Option<u64>,
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum FacilitatorError {
    /// The facilitator did not answer in time.
    #[error("the facilitator did not answer: {0}")]
    Unreachable(String),
    /// The facilitator's answer is not a decision.
    #[error("the facilitator's answer is no decision: {0}")]
    Nonsense(String),
    /// The facilitator cannot settle now; the payment is not the cause.
    #[error("the facilitator cannot settle just now: {0}")]
    NotReady(String),
    /// The facilitator asks for a later retry.
    #[error("the facilitator asks to wait {} s", retry_after.unwrap_or(1))]
    RateLimited {
        /// The wait in seconds, if the facilitator names it.
        retry_after: Option<u64>,
    },
}

/// The response of `GET /supported`; version 1 facilitators send `kinds` only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Supported {
    /// The supported combinations of version, scheme and network.
    pub kinds: Vec<SupportedKind>,
    /// The supported extensions.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Supported {
    /// The scheme `exact` in both versions; version 1 only if the network has a name there.
    pub(crate) fn exact_on(network: &Network) -> Self {
        let kind = |x402_version, network: &str| SupportedKind {
            x402_version,
            scheme: "exact".into(),
            network: network.into(),
            rest: Rest::new(),
        };
        let mut kinds = vec![kind(2, network.caip2)];
        kinds.extend(network.v1_name.map(|name| kind(1, name)));
        Self {
            kinds,
            ..Self::default()
        }
    }
}

/// One combination of version, scheme and network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportedKind {
    /// 1 or 2.
    pub x402_version: u32,
    /// `exact`.
    pub scheme: String,
    /// The network's name in that version.
    pub network: String,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The description of a facilitator, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `demo`, `remote` or `onchain`.
    pub kind: &'static str,
    /// The URL, without credentials.
    pub url: Option<String>,
    /// Whether its money is play money.
    pub simulated: bool,
}
