//! Who verifies a payment and moves the money.
//!
//! A settlement has four outcomes and never an error: what is not known to have failed may have
//! moved money, and is [`Settlement::Unknown`]. Callers keep an unknown payment and ask again with
//! the same request; they never ask the customer to sign again.

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
    /// The facilitator could not be asked or its answer not be understood: no decision.
    async fn verify(&self, request: &FacilitatorRequest) -> Result<Verification, FacilitatorError>;

    /// Moves the money. The same request may be sent again and again and moves it once.
    async fn settle(&self, request: &FacilitatorRequest) -> Settlement;

    /// What it can do.
    ///
    /// # Errors
    /// As for [`Facilitator::verify`].
    async fn supported(&self) -> Result<Supported, FacilitatorError>;

    /// Whether it could settle now, as far as that does not depend on a payment. Cheap to ask.
    ///
    /// # Errors
    /// [`FacilitatorError::NotReady`], with a text for the public.
    async fn ready(&self) -> Result<(), FacilitatorError> {
        Ok(())
    }

    /// What operators and customers are told of it.
    fn describe(&self) -> Description;
}

/// A decision before money moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It would settle.
    Valid {
        /// Who pays, as the facilitator found.
        payer: Option<Address>,
    },
    /// It would not.
    Invalid {
        /// The SDKs' string.
        reason: String,
        /// The facilitator's own words.
        message: Option<String>,
    },
}

/// What became of the money.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// It moved.
    Settled {
        /// What the customer is told.
        receipt: Receipt,
        /// The transfer, where the chain itself was read.
        evidence: Option<TransferEvidence>,
    },
    /// It did not move by this request. After an earlier copy whose outcome is unknown this proves
    /// nothing, see [`RefusalProof`]: the caller then asks the chain.
    Refused {
        /// The SDKs' string.
        reason: String,
        /// The facilitator's own words.
        message: Option<String>,
    },
    /// Nothing was sent by this call, and as far as the facilitator knows nothing of this payment
    /// ever was. A caller whose first settlement this was may release the payment; about an earlier
    /// copy it proves nothing.
    Unsent {
        /// Its containers.
        reason: String,
        /// Seconds after which to ask again.
        retry_after: Option<u64>,
    },
    /// Nobody knows yet.
    Unknown {
        /// Its containers.
        reason: String,
        /// The transaction to look for, where one was named.
        transaction: Option<String>,
    },
}

/// One transfer of the token, at its place on the chain. One transfer pays for one thing, so a
/// service keeps it as unique, together with the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferEvidence {
    /// The transaction's hash, 0x-prefixed.
    pub transaction: String,
    /// The log's place in its block; none where no chain was asked.
    pub log_index: Option<u64>,
    /// The block's number; none where no chain was asked.
    pub block: Option<u64>,
}

/// No decision could be had.
#[derive(Debug, thiserror::Error)]
pub enum FacilitatorError {
    /// It did not answer, or not in time.
    #[error("the facilitator did not answer: {0}")]
    Unreachable(String),
    /// It answered something that is no decision.
    #[error("the facilitator's answer is no decision: {0}")]
    Nonsense(String),
    /// It cannot settle just now, for a reason of its own and not of the payment's.
    #[error("the facilitator cannot settle just now: {0}")]
    NotReady(String),
    /// It wants to be asked later.
    #[error("the facilitator asks to wait {} s", retry_after.unwrap_or(1))]
    RateLimited {
        /// Seconds.
        retry_after: Option<u64>,
    },
}

/// The answer of `GET /supported`; version 1 facilitators send `kinds` only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Supported {
    /// What it settles.
    pub kinds: Vec<Kind>,
    /// The extensions it knows.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Supported {
    /// The scheme `exact` in both versions, where version 1 knows the network.
    pub(crate) fn exact_on(network: &Network) -> Self {
        let kind = |x402_version, network: &str| Kind {
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
pub struct Kind {
    /// 1 or 2.
    pub x402_version: u32,
    /// `exact`.
    pub scheme: String,
    /// In the spelling of that version.
    pub network: String,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What a facilitator is, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `demo`, `remote` or `onchain`.
    pub kind: &'static str,
    /// Where it is, without credentials.
    pub url: Option<String>,
    /// Whether its money is not real.
    pub simulated: bool,
}
