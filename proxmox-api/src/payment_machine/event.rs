//! What the machine is told.

use x402::facilitator::{TransferEvidence, onchain::Evidence};

use super::{state::PaymentState, transition::StoredAnswer};

/// Where the money comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funding {
    /// A signed authorization, which a facilitator verifies and settles.
    X402,
    /// Credit that is held with the reservation, captured with the answer, and released with the payment.
    Credit,
}

/// What becomes of a paid call that was not delivered, when it is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPolicy {
    /// We go on with it ourselves, and it does the same however often it is done.
    Resumed,
    /// It is done again for who proves to be the payer.
    ForPayer,
    /// It is done for who proves to be the payer, unless it was begun before.
    Once,
}

/// What does not change while a payment is worked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentContext {
    /// Where the money comes from.
    pub funding: Funding,
    /// What becomes of a call that was not delivered.
    pub repeat: RetryPolicy,
    /// Whether a chain can be asked.
    pub has_chain: bool,
    /// Whether the facilitator's ledger is our own, so that its word is the truth.
    pub is_simulated: bool,
}

/// Who asks a settled payment to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    /// A request that is proven to be the payer's.
    Payer,
    /// A copy of the signed request, which anybody can have.
    Anyone,
    /// The sweep or a follower.
    Service {
        /// The time in which the payer can ask is over.
        late: bool,
    },
}

/// What the facilitator said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettlementResult {
    /// The money moved.
    Settled(TransferEvidence),
    /// This request moved none.
    Refused(String),
    /// Surely nothing was sent.
    Unsent(String),
    /// Nobody knows; a transaction to look for.
    Unknown(Option<String>),
}

/// How much time has passed since the end of an authorization's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentWindow {
    /// A transfer that was sent in the last moment is mined by now.
    pub is_over: bool,
    /// A chain that does not answer is waited for no longer.
    pub is_long_over: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEvent {
    /// The row was inserted for a request.
    Reserved {
        /// The facilitator has verified it before: its signer could not be proven otherwise.
        verified: bool,
    },
    /// The facilitator found it good.
    Verified,
    /// It did not, or gave no decision; why.
    NotVerified(String),
    /// The customer can have it.
    Admitted,
    /// The customer cannot; why.
    NotAdmitted(String),
    /// What is settled for is there.
    Prepared,
    /// It could not be made; why.
    NotPrepared(String),
    /// The answer to the first settlement of this payment.
    FirstSettlement(SettlementResult),
    /// What the chain said after the first settlement was refused; `None`: it did not answer.
    ChainAfterRefusal {
        /// The reason of the refusal.
        reason: String,
        /// The chain's word.
        evidence: Option<Evidence>,
    },
    /// Something that stood still is looked at: by a follower, the sweep, or a copy of the request.
    Resume {
        /// For whom.
        requester: Requester,
        /// Something was begun that must not be done twice.
        begun: bool,
    },
    /// The answer to a later settlement, of the very same bytes.
    LaterSettlement(SettlementResult, PaymentWindow),
    /// What the chain said of a payment of unknown outcome; `None`: it did not answer.
    ChainAnswered(Option<Evidence>, PaymentWindow),
    /// The transfer pays for another purchase.
    EvidenceTaken,
    /// It was done.
    Performed(StoredAnswer),
    /// It was not.
    NotDelivered {
        /// It will fail however often it is tried.
        for_good: bool,
        /// Something was begun that must not be done twice.
        begun: bool,
        /// It was tried for long enough.
        late: bool,
    },
    /// A person decided about a payment that could not be resolved.
    Decided(OperatorDecision),
    /// The row was in another state than the one that was to be left.
    Overtaken {
        /// The state that it is in.
        by: PaymentState,
        /// The transfer that was to be stored.
        moved: Option<TransferEvidence>,
    },
    /// What is to be sent again cannot be read.
    Unreadable,
    /// A move could not be stored.
    NotStored {
        /// The state that was to come.
        to: PaymentState,
        /// It may be stored all the same.
        perhaps: bool,
    },
}

/// A person's word on a payment that could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorDecision {
    /// The money moved.
    Moved(TransferEvidence),
    /// It did not and cannot any more; why that is known.
    NotMoved(String),
}
