//! What the machine asks for.

use super::transition::NewState;

/// Why the whole of a payment is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtReason {
    /// The lease had ended, or its container was gone, when the money was seen.
    LeaseEnded,
    /// A command was begun, its outcome is unknown, and it is not run again.
    MayHaveRun,
    /// The call was not delivered, and was not asked for again in time.
    Undelivered,
    /// The payment had been called refused, and the money moved all the same.
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

/// What is to be done. Those of a step are done in this order; when a move cannot be stored, the rest is left undone and the
/// machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEffect {
    /// Ask the facilitator whether the payment is good.
    Verify,
    /// See whether the customer can have it, and claim what is needed.
    Admit,
    /// Make what is settled for.
    Prepare,
    /// Write the next state down.
    Store(NewState),
    /// Ask the facilitator to settle, for the first time.
    SettleFirst,
    /// Ask it again, with the very same bytes.
    SettleAgain,
    /// Ask the chain, after the first settlement was refused for this reason.
    AskChainAfterRefusal(String),
    /// Ask the chain about a payment of unknown outcome.
    AskChain,
    /// Do what was paid for; the answer is stored by the step after it.
    Deliver,
    /// Keep what was prepared until the outcome is known.
    Hold,
    /// Take back what was prepared.
    Undo,
    /// Look again, by ourselves, until the outcome is known.
    Follow,
    /// End it as owed: the answer that says so and the debt, together.
    Owe(DebtReason),
}
