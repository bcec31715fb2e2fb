//! Where the demo facilitator keeps its play money.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use alloy::primitives::{Address, B256, keccak256};
use async_trait::async_trait;

/// Balances and the transfers already made, kept by the service that runs the demo.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Atomic units that an account has.
    ///
    /// # Errors
    /// The store failed.
    async fn balance(&self, account: Address) -> Result<u64, LedgerError>;

    /// Whether this very transfer was made.
    ///
    /// # Errors
    /// The store failed.
    async fn was_done(&self, transfer: &Transfer) -> Result<bool, LedgerError>;

    /// Moves the money in one step, or says why not. A nonce moves money once.
    ///
    /// # Errors
    /// The store failed; nothing is known of the transfer.
    async fn transfer(&self, transfer: Transfer) -> Result<TransferOutcome, LedgerError>;
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("the ledger failed: {0}")]
pub struct LedgerError(pub String);

/// One authorization to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// CAIP-2 id.
    pub network: &'static str,
    /// The token.
    pub asset: Address,
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// Atomic units.
    pub value: u64,
    /// The authorization's.
    pub nonce: B256,
}

impl Transfer {
    /// The id under which the transfer is known: a digest, so that it is the same at every try.
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

/// What became of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// Done now, or before by the very same authorization.
    Done,
    /// The nonce was used for something else.
    NonceUsed,
    /// Not enough money.
    Insufficient,
}

/// A ledger that forgets, for tests.
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
