//! The states of a payment and the moves between them, without any input or output. A state names the side effect that may
//! already have happened, so that a restart knows what to look for.

/// How far a payment has come. The names are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// The nonce is ours; the facilitator may have been asked to verify.
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
    /// It could not be learnt whether the money moved. A person decides, or the chain once it can be asked.
    Unresolved,
    /// Given back without asking for settlement, or surely without one; the nonce can be used again.
    Released,
    /// The money moved and the answer is stored. A debt says where the answer is that it is owed.
    Answered,
}

use PaymentState::*;

impl PaymentState {
    /// Every state, in the order of a payment's life.
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
            // Settling at once: nothing durable is prepared. Answered: credit was held, and is captured with the answer.
            Reserved => &[Verified, Settling, Released, Answered],
            Verified => &[Settling, Released, Answered],
            // Released: the facilitator surely sent nothing.
            Settling => &[Settled, Refused, Unknown, Unresolved, Released],
            Unknown => &[Settled, Refused, Unresolved],
            Unresolved => &[Settled, Refused],
            // The chain shows a transfer after all; it is owed.
            Refused => &[Settled],
            Settled => &[Answered],
            // The same nonce is presented again.
            Released => &[Reserved],
            Answered => &[],
        }
    }

    /// Whether a payment may go from this state to `next`.
    pub fn may_become(self, next: Self) -> bool {
        self.successors().contains(&next)
    }

    /// Whether a transfer for it fits its state, or can be written down.
    pub fn may_have_settled(self) -> bool {
        matches!(self, Settled | Answered) || self.may_become(Settled)
    }

    /// Whether the money may have moved, and nothing says yet whether it did.
    pub fn is_open(self) -> bool {
        matches!(self, Settling | Unknown | Unresolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_listed_moves_are_allowed() {
        // One row per state in the order of `ALL`; `x` allows the move to the column's state.
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
    fn no_payment_that_may_have_moved_money_is_given_back_but_by_who_sent_nothing() {
        for state in [Settled, Unknown, Unresolved, Refused, Answered] {
            assert!(!state.may_become(Released), "{state:?}");
        }
    }
}
