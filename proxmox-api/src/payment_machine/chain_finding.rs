//! What evidence on a chain means for the money.

use x402::facilitator::{TransferEvidence, onchain::Evidence};

use super::event::PaymentWindow;

/// What evidence on a chain means for the money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFinding {
    /// It moved, by this transfer.
    Moved(TransferEvidence),
    /// It did not move and never will; the reason.
    NeverMoves(&'static str),
    /// Nothing is known yet; a later check may find more.
    Open,
    /// No later check can find more; the reason.
    Unknowable(&'static str),
}

impl ChainFinding {
    /// Reads the evidence; `None` if the chain did not answer.
    pub fn from_evidence(evidence: Option<Evidence>, window: PaymentWindow) -> Self {
        match evidence {
            Some(Evidence::Moved(transfer)) => Self::Moved(transfer),
            Some(Evidence::Canceled) => Self::NeverMoves("authorization_canceled"),
            Some(Evidence::SpentElsewhere { .. }) => {
                Self::NeverMoves("authorization_spent_elsewhere")
            }
            Some(Evidence::Expired) => Self::NeverMoves("authorization_expired"),
            // The nonce is used, and the node does not serve the log of its transfer.
            Some(Evidence::NotFound) if window.is_over => Self::Unknowable("transfer_not_found"),
            Some(Evidence::Unspent | Evidence::NotFound) => Self::Open,
            None if window.is_long_over => Self::Unknowable("chain_unreachable"),
            None => Self::Open,
        }
    }
}
