//! A suspended call that the customer's client holds. It contains everything that a turn needs to
//! go on, sealed so that the customer can neither read nor change it, and so that any replica with
//! the same secret can open it. The content is bound to one call, byte for byte, to the terms that
//! were shown, and to the wallet that asked.

mod seal;
mod used;

use api_types::ErrorCode;
use serde::{Deserialize, Serialize};
use service::crypto;

use crate::{payment::PaymentTerms, tools::CallPlan, turn::Turn};

pub use seal::{MAX_SEALED, Sealer};
pub use used::{ConfirmedCall, LeaseApiResult, Reuse, UsedCalls};

/// The customer's part in a suspended call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerAction {
    /// To pay on these terms.
    Payment(PaymentTerms),
    /// To confirm the call.
    Confirmation,
}

/// The maximum time for a confirmation in seconds, even if `PENDING_SECONDS` is longer. Only a
/// payment may need the longer time.
const MAX_CONFIRMATION: u64 = 15 * 60;

impl CustomerAction {
    /// The time that the customer has, in seconds. `allowed` is the configured time.
    pub fn seconds(&self, allowed: u64) -> u64 {
        match self {
            Self::Payment(_) => allowed,
            Self::Confirmation => allowed.min(MAX_CONFIRMATION),
        }
    }
}

/// A suspended call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// A random id. It stays secret, because the lease API stores its answer under a key made from
    /// it.
    pub id: String,
    /// The time until which the turn can go on, in Unix seconds.
    pub expires_at: u64,
    /// The wallet that asked, lower case.
    pub wallet: Option<String>,
    /// The request to the lease API, exactly as it will be sent.
    pub plan: CallPlan,
    /// The action that the customer has to take.
    pub wanted: CustomerAction,
    /// The suspended turn.
    pub turn: Turn,
}

impl Pending {
    /// A new random id.
    pub fn new_id() -> String {
        crypto::random_hex(16)
    }

    /// The key under which the lease API stores the answer. It is the same for every copy of this
    /// call, on every replica. It is secret, because answers hold passwords; it is not derived from
    /// the payment, because payments are public once they are settled.
    pub fn idempotency_key(&self) -> String {
        format!("pending-{}", self.id)
    }
}

/// A random key of this kind, of 128 bits.
fn new_key(kind: &str) -> String {
    format!("{kind}-{}", crypto::random_hex(16))
}

/// Why a suspended call cannot be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PendingError {
    /// It was not sealed by this service, or it was altered.
    #[error("The suspended call is not one of this service, or it was altered.")]
    NotOurs,
    /// It has expired.
    #[error("The suspended call has expired. Nothing was charged: ask for it again.")]
    Expired,
    /// It belongs to another wallet.
    #[error("The suspended call belongs to another wallet.")]
    OtherWallet,
    /// It was already used with another payment or confirmation.
    #[error("The suspended call was already answered.")]
    Used,
}

impl PendingError {
    /// Its error code in the contract.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::OtherWallet => ErrorCode::Forbidden,
            _ => ErrorCode::InvalidPending,
        }
    }
}
