//! The events that the machine gets.

use x402::facilitator::{TransferEvidence, onchain::Evidence};

use super::{state::PaymentState, transition::StoredAnswer};

/// Where the money comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funding {
    /// A signed authorization, which a facilitator verifies and settles.
    X402,
    /// Credit that is held with the reservation, captured with the answer, and released with the
    /// payment.
    Credit,
}

/// What happens to a paid request that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryPolicy {
    /// The service resumes it by itself; repeating it changes nothing.
    Resumed,
    /// It is done again for a request that proves to be the payer's. If it was begun before, doing
    /// it again finds what was begun.
    ForPayer,
    /// It is done for a request that proves to be the payer's, unless it was begun before.
    Once,
}

/// What does not change while a payment is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentContext {
    /// Where the money comes from.
    pub funding: Funding,
    /// What happens to a request that was not delivered.
    pub retry: RetryPolicy,
    /// Whether a chain can be asked.
    pub has_chain: bool,
    /// Whether the facilitator is the demo ledger, whose refusals are always true.
    pub is_simulated: bool,
}

/// Who asks for a settled payment to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    /// A request that proved to be the payer's.
    Payer,
    /// A copy of the signed request without such a proof.
    Anyone,
    /// The sweep or a follower.
    Service {
        /// The time in which the payer can repeat the request is over.
        late: bool,
    },
}

/// The outcome of a settlement, as the facilitator told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettlementResult {
    /// The money moved.
    Settled(TransferEvidence),
    /// This settlement moved no money.
    Refused(String),
    /// Nothing was sent, for certain.
    Unsent(String),
    /// The outcome is unknown; a transaction to look for.
    Unknown(Option<String>),
}

/// How much time has passed since the end of an authorization's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentWindow {
    /// A transfer that was sent at the end of the window is mined by now.
    pub is_over: bool,
    /// A chain that does not answer is not waited for any longer.
    pub is_long_over: bool,
}

/// Something that happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEvent {
    /// The row was inserted for a request.
    Reserved {
        /// The facilitator verified it before the row was inserted, because the signer could not be
        /// proven otherwise.
        verified: bool,
    },
    /// The facilitator found the payment valid.
    Verified,
    /// It did not, or gave no decision; the reason.
    NotVerified(String),
    /// The customer can have it.
    Admitted,
    /// The customer cannot have it; the reason.
    NotAdmitted(String),
    /// What is settled for was made.
    Prepared,
    /// It could not be made; the reason.
    NotPrepared(String),
    /// The result of the first settlement of this payment.
    FirstSettlement(SettlementResult),
    /// The evidence on the chain after the first settlement was refused; `None` if the chain did
    /// not answer.
    ChainAfterRefusal {
        /// The reason of the refusal.
        reason: String,
        /// The evidence on the chain.
        evidence: Option<Evidence>,
    },
    /// A follower, the sweep, or a copy of the request resumes a payment that made no progress.
    Resume {
        /// Who asks.
        requester: Requester,
        /// Something was begun that must not be done twice.
        begun: bool,
    },
    /// The result of a later settlement of the same bytes.
    LaterSettlement(SettlementResult, PaymentWindow),
    /// The evidence on the chain for a payment of unknown outcome; `None` if the chain did not
    /// answer.
    ChainAnswered(Option<Evidence>, PaymentWindow),
    /// The transfer pays for another purchase.
    EvidenceTaken,
    /// The operation was performed.
    Performed(StoredAnswer),
    /// The operation was not performed.
    NotDelivered {
        /// Every further attempt would fail.
        for_good: bool,
        /// Something was begun that must not be done twice.
        begun: bool,
        /// The time for further attempts is over.
        late: bool,
    },
    /// The operator decided about an unresolved payment.
    Decided(OperatorDecision),
    /// A transition was not stored, because the row was in another state.
    Overtaken {
        /// The state that it is in.
        by: PaymentState,
        /// The transfer that should have been stored.
        moved: Option<TransferEvidence>,
    },
    /// The stored request cannot be read, so it cannot be sent again.
    Unreadable,
    /// A transition could not be stored.
    NotStored {
        /// The state that should have been stored.
        to: PaymentState,
        /// It may have been stored.
        perhaps: bool,
    },
}

/// The operator's decision about an unresolved payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorDecision {
    /// The money moved.
    Moved(TransferEvidence),
    /// It did not and cannot any more; how that is known.
    NotMoved(String),
}
