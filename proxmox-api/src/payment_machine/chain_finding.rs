//! What a chain's word means for the money.

use x402::facilitator::{TransferEvidence, onchain::Evidence};

use super::event::PaymentWindow;

/// What a chain's word means for the money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFinding {
    /// It moved, by this transfer.
    Moved(TransferEvidence),
    /// It did not move and never will, and why.
    NeverMoves(&'static str),
    /// Nothing is known yet; it is worth asking again.
    Open,
    /// Nothing can be learnt any more by asking, and why.
    Unknowable(&'static str),
}

impl ChainFinding {
    /// What the chain said; `None`: it did not answer.
    pub fn from_evidence(evidence: Option<Evidence>, window: PaymentWindow) -> Self {
        match evidence {
            Some(Evidence::Moved(transfer)) => Self::Moved(transfer),
            Some(Evidence::Canceled) => Self::NeverMoves("authorization_canceled"),
            Some(Evidence::SpentElsewhere { .. }) => {
                Self::NeverMoves("authorization_spent_elsewhere")
            }
            Some(Evidence::Expired) => Self::NeverMoves("authorization_expired"),
            // Used, and its log is not to be found in what the node serves.
            Some(Evidence::NotFound) if window.is_over => Self::Unknowable("transfer_not_found"),
            Some(Evidence::Unspent | Evidence::NotFound) => Self::Open,
            None if window.is_long_over => Self::Unknowable("chain_unreachable"),
            None => Self::Open,
        }
    }
}
