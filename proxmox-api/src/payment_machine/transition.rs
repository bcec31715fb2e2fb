//! A transition of a payment from one state to the next, with the data that is stored in the same
//! commit. The store changes a payment's state by a [`Transition`] only, and making one needs a
//! [`TransitionRight`].

use std::fmt;

use x402::facilitator::TransferEvidence;

use super::state::PaymentState;
use crate::ids::PaymentId;

/// A stored answer. It may hold a password, so `Debug` hides the body.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// HTTP body.
    pub body: String,
}

impl fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredAnswer {{ status: {}, body: *** }}", self.status)
    }
}

/// The state after a transition, with the data that is stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewState {
    /// Admitted.
    Verified,
    /// The facilitator is about to be asked to settle.
    Settling,
    /// The money moved, by this transfer.
    Settled(TransferEvidence),
    /// Settlement was refused, for a reason that may be shown.
    Refused(String),
    /// It is not known yet whether the money moved; a transaction that may be looked for.
    Unknown(Option<String>),
    /// Nothing shows whether the money moved; the reason.
    Unresolved(String),
    /// Released; the reason.
    Released(String),
    /// Performed; the answer.
    Answered(StoredAnswer),
}

impl NewState {
    /// The state without its data.
    pub fn state(&self) -> PaymentState {
        match self {
            Self::Verified => PaymentState::Verified,
            Self::Settling => PaymentState::Settling,
            Self::Settled(_) => PaymentState::Settled,
            Self::Refused(_) => PaymentState::Refused,
            Self::Unknown(_) => PaymentState::Unknown,
            Self::Unresolved(_) => PaymentState::Unresolved,
            Self::Released(_) => PaymentState::Released,
            Self::Answered(_) => PaymentState::Answered,
        }
    }
}

/// The right to move payments between states. `payment` implements it for one private type;
/// no other code may, so that a payment changes its state in one place. A test reads the sources
/// for it, because the compiler does not.
pub trait TransitionRight {}

#[cfg(test)]
struct TestRight;

#[cfg(test)]
impl TransitionRight for TestRight {}

/// A transition that the table of states allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    payment_id: PaymentId,
    from: PaymentState,
    target: NewState,
}

impl Transition {
    /// The transition, if the table allows it.
    pub fn new(
        _right: &impl TransitionRight,
        payment_id: &PaymentId,
        from: PaymentState,
        target: NewState,
    ) -> Option<Self> {
        from.may_become(target.state()).then(|| Self {
            payment_id: payment_id.clone(),
            from,
            target,
        })
    }

    /// The same for tests of the store.
    #[cfg(test)]
    pub(crate) fn in_test(
        payment_id: &PaymentId,
        from: PaymentState,
        target: NewState,
    ) -> Option<Self> {
        Self::new(&TestRight, payment_id, from, target)
    }

    /// The payment.
    pub fn payment_id(&self) -> &PaymentId {
        &self.payment_id
    }

    /// The state that the payment must be in.
    pub fn from(&self) -> PaymentState {
        self.from
    }

    /// The state that it gets, and the data that is stored.
    pub fn target(&self) -> &NewState {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_that_the_table_forbids_cannot_be_made() {
        let settling =
            |from| Transition::new(&TestRight, &"pay_1".into(), from, NewState::Settling);
        assert!(settling(PaymentState::Verified).is_some());
        assert!(settling(PaymentState::Refused).is_none());
        assert!(settling(PaymentState::Settling).is_none());
    }
}
