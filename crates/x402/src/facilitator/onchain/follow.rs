//! Reads the outcome of a payment's transactions from the chain.

use alloy::primitives::B256;

use super::{
    evidence::{ChainReader, Evidence, Since, transfer_in},
    rpc::{Rpc, RpcError},
    sent::Sent,
};
use crate::{
    facilitator::{TransferEvidence, terms::TransferTerms},
    reason::code,
};

/// Reads the chain for one payment.
pub(super) struct Follower<'a> {
    pub(super) rpc: &'a Rpc,
    pub(super) terms: &'a TransferTerms,
    pub(super) confirmations: u64,
}

/// The outcome of a payment on the chain.
pub(super) enum TransactionFate {
    /// The money moved by this transfer.
    Moved(TransferEvidence),
    /// Our transaction reverted and the authorization is unspent. The money did not move, and can
    /// move only if another sender submits the authorization within its window.
    Reverted(B256),
    /// The authorization can never move money any more.
    Failed {
        reason: &'static str,
        message: &'static str,
    },
    /// The chain shows a result that should be impossible.
    Odd(&'static str, B256),
}

impl Follower<'_> {
    fn reader(&self) -> ChainReader<'_> {
        ChainReader {
            rpc: self.rpc,
            terms: self.terms,
            confirmations: self.confirmations,
        }
    }

    /// Whether one of our transactions has been mined and confirmed.
    pub(super) async fn mined(&self, sent: &[Sent]) -> Result<Option<TransactionFate>, RpcError> {
        for one in sent.iter().rev() {
            let Some(receipt) = self.rpc.receipt(one.hash).await? else {
                continue;
            };
            let head = self.rpc.latest_block().await?;
            if !self.reader().confirmed(&head, receipt.block_number.to()) {
                return Ok(None);
            }
            if receipt.status.to::<u64>() == 1 {
                return Ok(Some(match transfer_in(&receipt, self.terms) {
                    Some(moved) => TransactionFate::Moved(moved),
                    None => TransactionFate::Odd(
                        "invalid_exact_evm_transfer_event_mismatch",
                        receipt.transaction_hash,
                    ),
                }));
            }
            // It may have reverted because another sender submitted the same authorization first.
            return Ok(match self.evidence(Since::Block(one.after_block)).await? {
                Evidence::Unspent => Some(TransactionFate::Reverted(receipt.transaction_hash)),
                evidence => fate(evidence),
            });
        }
        Ok(None)
    }

    /// Whether the authorization was spent by any sender, or has expired. Called only for payments
    /// that the chain had found unspent at `since`; otherwise a payment could claim a transfer that
    /// was made for another one.
    pub(super) async fn elsewhere(
        &self,
        since: Since,
    ) -> Result<Option<TransactionFate>, RpcError> {
        Ok(fate(self.evidence(since).await?))
    }

    async fn evidence(&self, since: Since) -> Result<Evidence, RpcError> {
        self.reader().find_evidence(since).await
    }
}

fn fate(evidence: Evidence) -> Option<TransactionFate> {
    let failed = |reason, message| Some(TransactionFate::Failed { reason, message });
    match evidence {
        Evidence::Unspent | Evidence::NotFound => None,
        Evidence::Moved(transfer) => Some(TransactionFate::Moved(transfer)),
        Evidence::Expired => failed(
            code::VALID_BEFORE,
            "the authorization ran out before the chain took it",
        ),
        Evidence::Canceled => failed(code::NONCE_USED, "the payer took the authorization back"),
        Evidence::SpentElsewhere { .. } => failed(
            code::NONCE_USED,
            "the payer spent the authorization on something else",
        ),
    }
}
