//! Finds the outcome of an authorization in the token's own logs.
//!
//! An EIP-3009 nonce belongs to its authorizer and not to one message: the authorizer can spend it
//! on another transfer, for instance to themselves. So a spent nonce proves nothing, and neither
//! does any transfer in the same transaction. The token logs `AuthorizationUsed` and directly after
//! it the `Transfer` of this use; only that pair is evidence.

use alloy::primitives::{B256, U256};

use super::{
    rpc::{Block, Log, Rpc, RpcError, TransactionReceipt},
    token,
};
use crate::facilitator::{TransferEvidence, terms::TransferTerms};

/// Seconds by which the clocks of chains and servers may differ, wherever they are compared. An
/// authorization counts as expired only this long after its window, and a transfer may be this much
/// older than the first sight of its payment.
pub const CLOCK_MARGIN: u64 = 60;
/// The number of blocks in one search request. Public nodes often refuse to search more than
/// 10,000.
const SEARCH: u64 = 9_000;
/// The number of requests in one search: a day of a chain with a block every two seconds.
const SEARCHES: u32 = 5;
/// The number of blocks by which a reorganisation may move a transaction back.
const REORGANISED: u64 = 64;

/// The outcome of a payment's authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It is not used yet, and can still be used.
    Unspent,
    /// It was unused in a confirmed block whose time is after its window, so it never moves money.
    Expired,
    /// It made exactly the agreed transfer, with enough confirmations.
    Moved(TransferEvidence),
    /// It was used for another transfer, or before this payment was first seen, so it never pays.
    SpentElsewhere {
        /// The transaction that used it.
        transaction: String,
    },
    /// Its authorizer canceled it, so it never moves money.
    Canceled,
    /// It is used, but the log was not found or is not confirmed yet. A later attempt may find it.
    NotFound,
}

/// The start of the period in which a transfer counts for a payment. Without it, a payment could
/// claim a transfer that had paid for something else.
#[derive(Clone, Copy)]
pub(super) enum Since {
    /// The authorization was unspent in this block.
    Block(u64),
    /// The payment was first seen at this time, in Unix seconds.
    Time(u64),
}

/// Reads the chain for one payment.
pub(super) struct ChainReader<'a> {
    pub(super) rpc: &'a Rpc,
    pub(super) terms: &'a TransferTerms,
    /// The number of blocks, including its own, after which a transaction counts.
    pub(super) confirmations: u64,
}

impl ChainReader<'_> {
    /// The outcome of the authorization. State is read at the number of the block that was read
    /// first, so that a node that lags behind fails instead of returning old state.
    pub(super) async fn find_evidence(&self, since: Since) -> Result<Evidence, RpcError> {
        let head = self.rpc.latest_block().await?;
        if !token::authorization_spent(self.rpc, self.terms, head.number()).await? {
            return self.unspent(&head).await;
        }
        match self.find(&head, since).await? {
            Some(log) => self.judge(&head, &log, since).await,
            None => Ok(Evidence::NotFound),
        }
    }

    /// Whether a transaction of this block has its confirmations.
    pub(super) fn confirmed(&self, head: &Block, block: u64) -> bool {
        head.number().saturating_sub(block) + 1 >= self.confirmations
    }

    async fn unspent(&self, head: &Block) -> Result<Evidence, RpcError> {
        let time = match self.confirmations.saturating_sub(1) {
            0 => head.timestamp.to(),
            deep => {
                let number = head.number().saturating_sub(deep);
                self.rpc.block(number).await?.timestamp.to::<u64>()
            }
        };
        let over = U256::from(time.saturating_sub(CLOCK_MARGIN));
        Ok(if over >= self.terms.authorization.valid_before {
            Evidence::Expired
        } else {
            Evidence::Unspent
        })
    }

    /// The log of the authorization's use or cancellation; a nonce has at most one.
    async fn find(&self, head: &Block, since: Since) -> Result<Option<Log>, RpcError> {
        let mut last = head.number();
        for _ in 0..SEARCHES {
            let first = last.saturating_sub(SEARCH - 1);
            let logs = token::uses(self.rpc, self.terms, first..=last).await?;
            if let Some(log) = logs.into_iter().find(|log| !log.removed) {
                return Ok(Some(log));
            }
            if first == 0 || self.is_before(first, since).await? {
                break;
            }
            last = first - 1;
        }
        Ok(None)
    }

    async fn is_before(&self, block: u64, since: Since) -> Result<bool, RpcError> {
        match since {
            Since::Block(bound) => Ok(block <= bound.saturating_sub(REORGANISED)),
            Since::Time(bound) => {
                let time: u64 = self.rpc.block(block).await?.timestamp.to();
                Ok(time.saturating_add(CLOCK_MARGIN) < bound)
            }
        }
    }

    async fn judge(&self, head: &Block, log: &Log, since: Since) -> Result<Evidence, RpcError> {
        if !self.confirmed(head, log.block_number.to()) {
            return Ok(Evidence::NotFound);
        }
        if token::is_cancellation(log) {
            return Ok(Evidence::Canceled);
        }
        let Some(receipt) = self.rpc.receipt(log.transaction_hash).await? else {
            return Ok(Evidence::NotFound);
        };
        // The chain was reorganised between the two responses, or two nodes gave them.
        if receipt.block_hash != log.block_hash {
            return Ok(Evidence::NotFound);
        }
        let elsewhere = Evidence::SpentElsewhere {
            transaction: log.transaction_hash.to_string(),
        };
        let Some(moved) = transfer_in(&receipt, self.terms) else {
            return Ok(elsewhere);
        };
        // An authorization that was unspent in a block was spent after it, even after a
        // reorganisation.
        if matches!(since, Since::Time(_)) && self.is_before(log.block_number.to(), since).await? {
            return Ok(elsewhere);
        }
        Ok(Evidence::Moved(moved))
    }
}

/// The transfer that this authorization made in a transaction, if it is exactly the agreed one.
pub(super) fn transfer_in(
    receipt: &TransactionReceipt,
    terms: &TransferTerms,
) -> Option<TransferEvidence> {
    let used = receipt
        .logs
        .iter()
        .position(|log| token::is_use(log, terms))?;
    let (used, next) = (&receipt.logs[used], receipt.logs.get(used + 1)?);
    let follows = next.log_index.to::<u64>() == used.log_index.to::<u64>() + 1;
    (follows && token::is_transfer(next, terms)).then(|| evidence(next.transaction_hash, next))
}

/// A log as evidence.
pub(super) fn evidence(transaction: B256, log: &Log) -> TransferEvidence {
    TransferEvidence {
        transaction: transaction.to_string(),
        log_index: Some(log.log_index.to()),
        block: Some(log.block_number.to()),
    }
}
