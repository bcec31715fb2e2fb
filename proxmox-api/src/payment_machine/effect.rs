//! The effects that the machine asks for.

use super::transition::NewState;

/// The reason of a debt for a whole payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtReason {
    /// The lease had ended, or its container was gone, when the money was seen.
    LeaseEnded,
    /// A command was begun and its outcome is unknown; it is not run again.
    MayHaveRun,
    /// The request was not delivered, and not repeated in time.
    Undelivered,
    /// The payment was refused, but the money moved.
    MovedAfterRefusal,
}

impl DebtReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::LeaseEnded,
        Self::MayHaveRun,
        Self::Undelivered,
        Self::MovedAfterRefusal,
    ];

    /// The name in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeaseEnded => "lease_ended",
            Self::MayHaveRun => "may_have_run",
            Self::Undelivered => "undelivered",
            Self::MovedAfterRefusal => "moved_after_refusal",
        }
    }
}

/// Something to do. The effects of one step are performed in order. If a transition cannot be
/// stored, the remaining effects are dropped and the machine gets an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEffect {
    /// Ask the facilitator whether the payment is good.
    Verify,
    /// Check whether the customer can have it, and claim what it needs.
    Admit,
    /// Make what is settled for afterwards, such as a container.
    Prepare,
    /// Store the next state.
    Store(NewState),
    /// Ask the facilitator to settle, for the first time.
    SettleFirst,
    /// Ask it again, with the same bytes.
    SettleAgain,
    /// Ask the chain, after the first settlement was refused for this reason.
    AskChainAfterRefusal(String),
    /// Ask the chain about a payment of unknown outcome.
    AskChain,
    /// Do what was paid for; the next step stores the answer.
    Deliver,
    /// Keep what was prepared until the outcome is known.
    Hold,
    /// Take back what was prepared.
    Undo,
    /// Start a task that checks until the outcome is known.
    Follow,
    /// Store the debt and the answer that tells of it, together.
    Owe(DebtReason),
}
