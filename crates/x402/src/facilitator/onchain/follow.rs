//! What became of the transactions of a payment.

use alloy::primitives::{B256, U256};

use super::{
    rpc::{Rpc, RpcError, TransactionReceipt},
    sent::Sent,
    token::{self, Spent},
};
use crate::{facilitator::terms::Terms, reason::code};

/// Reads the chain for one payment.
pub(super) struct Follower<'a> {
    pub(super) rpc: &'a Rpc,
    pub(super) terms: &'a Terms,
    pub(super) confirmations: u64,
}

/// What the chain says.
pub(super) enum Fate {
    /// This transaction moved the money.
    Moved(B256),
    /// It is certain that the money did not move by this authorization and, unless somebody else
    /// sends it within its window, will not.
    Failed {
        reason: &'static str,
        message: &'static str,
    },
    /// The chain says what cannot be.
    Odd(&'static str, B256),
}

impl Follower<'_> {
    /// Whether one of the transactions has been mined deep enough.
    pub(super) async fn mined(&self, sent: &[Sent]) -> Result<Option<Fate>, RpcError> {
        for one in sent.iter().rev() {
            let Some(receipt) = self.rpc.receipt(one.hash).await? else {
                continue;
            };
            if !self.settled_enough(&receipt).await? {
                return Ok(None);
            }
            if receipt.status.to::<u64>() == 1 {
                return Ok(Some(self.judge(&receipt)));
            }
            // Reverted: perhaps because somebody else sent the same authorization first.
            let elsewhere = self.elsewhere(sent).await?;
            return Ok(Some(elsewhere.unwrap_or(Fate::Failed {
                reason: code::TRANSACTION_FAILED,
                message: "the transfer reverted",
            })));
        }
        Ok(None)
    }

    /// Whether the authorization has been spent by anybody, or has run out. Asked only for payments
    /// of which something was sent after the chain had found them good: else a stranger could claim
    /// a transfer that was made for somebody else.
    pub(super) async fn elsewhere(&self, sent: &[Sent]) -> Result<Option<Fate>, RpcError> {
        let Some(first) = sent.first() else {
            return Ok(None);
        };
        // The block first: what is unspent after its time was read is unspent in it.
        let block = self.rpc.latest_block().await?;
        if !token::authorization_spent(self.rpc, self.terms).await? {
            let over =
                U256::from(block.timestamp.to::<u64>()) >= self.terms.authorization.valid_before;
            return Ok(over.then_some(Fate::Failed {
                reason: code::VALID_BEFORE,
                message: "the authorization ran out before the chain took it",
            }));
        }
        match token::how_spent(self.rpc, self.terms, first.after_block).await? {
            Some(Spent::Used(transaction)) => {
                let Some(receipt) = self.rpc.receipt(transaction).await? else {
                    return Ok(None);
                };
                if !self.settled_enough(&receipt).await? {
                    return Ok(None);
                }
                Ok(Some(self.judge(&receipt)))
            }
            Some(Spent::Canceled) => Ok(Some(Fate::Failed {
                reason: code::NONCE_USED,
                message: "the payer took the authorization back",
            })),
            None => Ok(None),
        }
    }

    fn judge(&self, receipt: &TransactionReceipt) -> Fate {
        if token::moved(receipt, self.terms) {
            Fate::Moved(receipt.transaction_hash)
        } else {
            Fate::Odd(
                "invalid_exact_evm_transfer_event_mismatch",
                receipt.transaction_hash,
            )
        }
    }

    async fn settled_enough(&self, receipt: &TransactionReceipt) -> Result<bool, RpcError> {
        if self.confirmations <= 1 {
            return Ok(true);
        }
        let latest: u64 = self.rpc.latest_block().await?.number.to();
        let mined: u64 = receipt.block_number.to();
        Ok(latest.saturating_sub(mined) + 1 >= self.confirmations)
    }
}
