//! The states of a payment and the transitions between them. A state names the side effect that may
//! already have happened, so that a restart knows what to look for.

/// The state of a payment. The names are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// The nonce is reserved; the facilitator may have been asked to verify.
    Reserved,
    /// It was admitted, and something may have been prepared for it.
    Verified,
    /// The facilitator may have been asked to settle.
    Settling,
    /// The money moved.
    Settled,
    /// Settlement was refused; no money moved.
    Refused,
    /// It is not known yet whether the money moved.
    Unknown,
    /// Nothing shows whether the money moved. The operator decides, or the chain once it answers.
    Unresolved,
    /// Ended without a settlement, for certain; the nonce can be used again.
    Released,
    /// The money moved and the answer is stored. Where the payment is owed, there is a debt.
    Answered,
}

use PaymentState::*;

impl PaymentState {
    /// Every state, in the order in which a payment passes them.
    pub const ALL: [Self; 9] = [
        Reserved, Verified, Settling, Settled, Refused, Unknown, Unresolved, Released, Answered,
    ];

    /// The name in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Reserved => "reserved",
            Verified => "verified",
            Settling => "settling",
            Settled => "settled",
            Refused => "refused",
            Unknown => "unknown",
            Unresolved => "unresolved",
            Released => "released",
            Answered => "answered",
        }
    }

    /// The state with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The states that may follow this one.
    pub fn successors(self) -> &'static [Self] {
        match self {
            // Settling: nothing durable was prepared. Answered: held credit is captured with the
            // answer.
            Reserved => &[Verified, Settling, Released, Answered],
            Verified => &[Settling, Released, Answered],
            // Released: the facilitator sent nothing, for certain.
            Settling => &[Settled, Refused, Unknown, Unresolved, Released],
            Unknown => &[Settled, Refused, Unresolved],
            Unresolved => &[Settled, Refused],
            // The chain shows a transfer after the refusal; the payment is owed.
            Refused => &[Settled],
            Settled => &[Answered],
            // The same nonce is sent again.
            Released => &[Reserved],
            Answered => &[],
        }
    }

    /// Whether a payment may go from this state to `next`.
    pub fn may_become(self, next: Self) -> bool {
        self.successors().contains(&next)
    }

    /// Whether the state has a transfer, or may get one.
    pub fn may_have_settled(self) -> bool {
        matches!(self, Settled | Answered) || self.may_become(Settled)
    }

    /// Whether the money may have moved, and it is not known whether it did.
    pub fn is_open(self) -> bool {
        matches!(self, Settling | Unknown | Unresolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_listed_transitions_are_allowed() {
        // One row per state in the order of `ALL`; `x` allows the transition to the column's state.
        let table = [
            ".xx....xx", // reserved
            "..x....xx", // verified
            "...xxxxx.", // settling
            "........x", // settled
            "...x.....", // refused
            "...xx.x..", // unknown
            "...xx....", // unresolved
            "x........", // released
            ".........", // answered
        ];
        for (from, row) in PaymentState::ALL.into_iter().zip(table) {
            for (to, mark) in PaymentState::ALL.into_iter().zip(row.chars()) {
                assert_eq!(from.may_become(to), mark == 'x', "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for state in PaymentState::ALL {
            assert_eq!(PaymentState::parse(state.as_str()), Some(state));
        }
        assert_eq!(PaymentState::parse("SETTLED"), None);
    }

    #[test]
    fn a_payment_that_may_have_moved_money_is_released_only_if_nothing_was_sent() {
        for state in [Settled, Unknown, Unresolved, Refused, Answered] {
            assert!(!state.may_become(Released), "{state:?}");
        }
    }
}
