//! A move of a payment from one state to the next, with the data that is stored at the same time. The
//! store changes a payment's state for nothing else, and only `payment` makes moves; a test looks for
//! others.

use std::fmt;

use x402::facilitator::TransferEvidence;

use super::state::PaymentState;
use crate::ids::PaymentId;

/// A stored answer. It may hold a password, so `Debug` hides the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// HTTP body.
    pub body: String,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer {{ status: {}, body: *** }}", self.status)
    }
}

/// A state to come, with what is written down with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Admitted.
    Verified,
    /// Settlement is about to be asked for.
    Settling,
    /// The money moved, by this transfer.
    Settled(TransferEvidence),
    /// Settlement was refused, for a reason that may be shown.
    Refused(String),
    /// It is not known yet whether the money moved; a transaction that may be looked for.
    Unknown(Option<String>),
    /// It could not be learnt whether the money moved, and why.
    Unresolved(String),
    /// Given back, and why.
    Released(String),
    /// Done; the answer.
    Answered(Answer),
}

impl Target {
    /// The state.
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

/// A move that the table of states allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    payment_id: PaymentId,
    from: PaymentState,
    target: Target,
}

impl Move {
    /// The move, where the table allows it.
    pub(crate) fn new(payment_id: &PaymentId, from: PaymentState, target: Target) -> Option<Self> {
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
        target: Target,
    ) -> Option<Self> {
        Self::new(payment_id, from, target)
    }

    /// The payment.
    pub fn payment_id(&self) -> &PaymentId {
        &self.payment_id
    }

    /// The state that it has to be in.
    pub fn from(&self) -> PaymentState {
        self.from
    }

    /// The state that it comes to, and what is written down.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// Rust's privacy ends at the module, and the store lies between this one and `payment`.
    #[test]
    fn only_the_payment_folder_makes_moves() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![sources.clone()];
        let mut makers = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let inside = path.strip_prefix(&sources).unwrap();
                if fs::read_to_string(&path).unwrap().contains("Move::new(") {
                    makers.insert(inside.iter().next().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let expected = ["payment", "payment_machine"].map(str::to_owned);
        assert_eq!(makers, BTreeSet::from(expected));
    }

    #[test]
    fn a_move_that_the_table_forbids_cannot_be_made() {
        let settling = |from| Move::new(&"pay_1".into(), from, Target::Settling);
        assert!(settling(PaymentState::Verified).is_some());
        assert!(settling(PaymentState::Refused).is_none());
        assert!(settling(PaymentState::Settling).is_none());
    }
}
