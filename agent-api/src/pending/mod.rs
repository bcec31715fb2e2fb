//! A suspended call on its way through the customer's hands: everything that a turn needs to go on, sealed so that the customer can
//! neither read nor change it, and any replica with the same secret can open it. What is inside is bound to one call, byte for
//! byte, to the terms that were shown, and to the wallet that asked.

mod seal;
mod used;

use api_types::ErrorCode;
use serde::{Deserialize, Serialize};
use service::crypto;

use crate::{payment::PaymentTerms, tools::CallPlan, turn::Turn};

pub use seal::{MAX_SEALED, Sealer};
pub use used::{ConfirmedCall, LeaseApiResult, Reuse, UsedCalls};

/// What the customer has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerAction {
    /// Pay on these terms.
    Payment(PaymentTerms),
    /// Say yes.
    Confirmation,
}

/// How long a confirmation waits at most, in seconds, whatever `PENDING_SECONDS` says: what may be
/// meant for long is what is paid.
const MAX_CONFIRMATION: u64 = 15 * 60;

impl CustomerAction {
    /// How long the customer may take, in seconds, of what the configuration allows.
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
    /// Unguessable and known to nobody outside: the lease API's answer is stored under it.
    pub id: String,
    /// Until when the turn can go on, Unix seconds.
    pub expires_at: u64,
    /// The wallet that asked, lower case.
    pub wallet: Option<String>,
    /// The call, exactly as it will be sent.
    pub plan: CallPlan,
    /// What the customer has to do.
    pub wanted: CustomerAction,
    /// The turn.
    pub turn: Turn,
}

impl Pending {
    /// An id for a new one.
    pub fn new_id() -> String {
        crypto::random_hex(16)
    }

    /// The key under which the lease API stores the answer: the same for every copy of this call,
    /// on every replica. It is a secret: answers hold passwords, and payments are public once they
    /// are settled, so nothing of it may come from them.
    pub fn idempotency_key(&self) -> String {
        format!("pending-{}", self.id)
    }
}

/// A key of this kind: 128 random bits.
fn new_key(kind: &str) -> String {
    format!("{kind}-{}", crypto::random_hex(16))
}

/// Why a suspended call cannot be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PendingError {
    /// It is not ours, or was altered.
    #[error("The suspended call is not one of this service, or it was altered.")]
    NotOurs,
    /// It is too old.
    #[error("The suspended call is too old; ask for it again.")]
    Expired,
    /// It belongs to another wallet.
    #[error("The suspended call belongs to another wallet.")]
    OtherWallet,
    /// It was used for something else.
    #[error("The suspended call was already answered.")]
    Used,
}

impl PendingError {
    /// Its kind in the contract.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::OtherWallet => ErrorCode::Forbidden,
            _ => ErrorCode::InvalidPending,
        }
    }
}
