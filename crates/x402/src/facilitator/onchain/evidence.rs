//! What became of an authorization, by the token's own logs.
//!
//! An EIP-3009 nonce belongs to its authorizer and not to one message: the authorizer can spend it
//! on another transfer, to himself for instance. So a spent nonce proves nothing, and a transfer
//! somewhere in the same transaction neither. The token logs `AuthorizationUsed` and directly after
//! it the `Transfer` that this use made; only that pair is evidence.

use alloy::primitives::{B256, U256};

use super::{
    rpc::{Block, Log, Rpc, RpcError, TransactionReceipt},
    token,
};
use crate::facilitator::{TransferEvidence, terms::Terms};

/// Seconds by which clocks of chains and servers may differ, wherever the two are compared. An
/// authorization counts as run out so long after its window, and a transfer may be so much older
/// than the first sight of its payment.
pub const CLOCK_MARGIN: u64 = 60;
/// Blocks that are searched with one question. Nodes that serve the public often refuse to search
/// more than 10,000.
const SEARCH: u64 = 9_000;
/// Such questions for one search: a day of a chain with a block every two seconds.
const SEARCHES: u32 = 5;
/// Blocks that a reorganisation may move a transaction back by.
const REORGANISED: u64 = 64;

/// What became of a payment's authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It is not used so far, and may still be.
    Unspent,
    /// It is not used in a block, confirmed, whose time is past its window: it never moves money.
    Expired,
    /// It made exactly the transfer that it allows, with enough confirmations.
    Moved(TransferEvidence),
    /// It was used for something else, or before this payment was first seen: it never pays.
    SpentElsewhere {
        /// The transaction that used it.
        transaction: String,
    },
    /// Its author took it back; it never moves money.
    Canceled,
    /// It is used, and the log was not found or is not confirmed yet: ask again.
    NotFound,
}

/// From when on a transfer counts for a payment. Without a bound a payment could claim a transfer
/// that had paid for something else.
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
    pub(super) terms: &'a Terms,
    /// Blocks, its own included, after which a transaction counts.
    pub(super) confirmations: u64,
}

impl ChainReader<'_> {
    /// What became of the authorization. State is read at the number of the block that was read
    /// first: a node that lags behind then fails instead of answering from the past.
    pub(super) async fn look(&self, since: Since) -> Result<Evidence, RpcError> {
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

    /// The log that says how the authorization was spent; a nonce has at most one.
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
        // The chain was reorganised between the two answers, or they are of two nodes.
        if receipt.block_hash != log.block_hash {
            return Ok(Evidence::NotFound);
        }
        let elsewhere = Evidence::SpentElsewhere {
            transaction: log.transaction_hash.to_string(),
        };
        let Some(moved) = transfer_in(&receipt, self.terms) else {
            return Ok(elsewhere);
        };
        // Found unspent in a block, it was spent after that, whatever a reorganisation did since.
        if matches!(since, Since::Time(_)) && self.is_before(log.block_number.to(), since).await? {
            return Ok(elsewhere);
        }
        Ok(Evidence::Moved(moved))
    }
}

/// The transfer that the use of this authorization made in a transaction, if it is exactly the one
/// that was agreed on.
pub(super) fn transfer_in(receipt: &TransactionReceipt, terms: &Terms) -> Option<TransferEvidence> {
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
