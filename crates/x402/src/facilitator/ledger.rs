//! The demo facilitator's store of play money.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use alloy::primitives::{Address, B256, keccak256};
use async_trait::async_trait;

/// Balances and transfers, stored by the service that runs the demo.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// The balance of an account in atomic units.
    ///
    /// # Errors
    /// The store failed.
    async fn balance(&self, account: Address) -> Result<u64, LedgerError>;

    /// Whether exactly this transfer was made.
    ///
    /// # Errors
    /// The store failed.
    async fn was_done(&self, transfer: &Transfer) -> Result<bool, LedgerError>;

    /// Moves the money in one step, or returns the reason against it. A nonce moves money once.
    ///
    /// # Errors
    /// The store failed; the outcome of the transfer is unknown.
    async fn transfer(&self, transfer: Transfer) -> Result<TransferOutcome, LedgerError>;
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("the ledger failed: {0}")]
pub struct LedgerError(pub String);

/// The transfer of one authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// CAIP-2 id.
    pub network: &'static str,
    /// The token.
    pub asset: Address,
    /// The payer.
    pub from: Address,
    /// The payee.
    pub to: Address,
    /// Atomic units.
    pub value: u64,
    /// The authorization's nonce.
    pub nonce: B256,
}

impl Transfer {
    /// The id of the transfer. It is a digest, so that every attempt has the same id.
    #[must_use]
    pub fn transaction(&self) -> String {
        let parts: [&[u8]; 6] = [
            self.network.as_bytes(),
            self.asset.as_slice(),
            self.from.as_slice(),
            self.to.as_slice(),
            &self.value.to_be_bytes(),
            self.nonce.as_slice(),
        ];
        keccak256(parts.concat()).to_string()
    }
}

/// The outcome of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The transfer was made, now or before by the same authorization.
    Done,
    /// The nonce was used by another transfer.
    NonceUsed,
    /// The balance is too low.
    Insufficient,
}

/// A ledger in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    balances: HashMap<Address, u64>,
    done: HashMap<(Address, B256), Transfer>,
}

impl MemoryLedger {
    /// Gives an account money.
    pub fn fund(&self, account: Address, value: u64) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let balance = memory.balances.entry(account).or_default();
        *balance = balance.saturating_add(value);
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn balance(&self, account: Address) -> Result<u64, LedgerError> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(memory.balances.get(&account).copied().unwrap_or(0))
    }

    async fn was_done(&self, transfer: &Transfer) -> Result<bool, LedgerError> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(memory.done.get(&(transfer.from, transfer.nonce)) == Some(transfer))
    }

    async fn transfer(&self, transfer: Transfer) -> Result<TransferOutcome, LedgerError> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (transfer.from, transfer.nonce);
        if let Some(done) = memory.done.get(&key) {
            let same = *done == transfer;
            return Ok(if same {
                TransferOutcome::Done
            } else {
                TransferOutcome::NonceUsed
            });
        }
        let balance = memory.balances.entry(transfer.from).or_default();
        let Some(left) = balance.checked_sub(transfer.value) else {
            return Ok(TransferOutcome::Insufficient);
        };
        *balance = left;
        let payee = memory.balances.entry(transfer.to).or_default();
        *payee = payee.saturating_add(transfer.value);
        memory.done.insert(key, transfer);
        Ok(TransferOutcome::Done)
    }
}
