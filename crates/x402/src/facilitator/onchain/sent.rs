//! The store of sent transactions, provided by the service that runs the facilitator.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use alloy::{
    consensus::{Signed, TxEip1559},
    eips::eip2718::Decodable2718 as _,
    primitives::{Address, B256, Bytes},
};
use async_trait::async_trait;

/// Identifies one authorization.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaymentKey {
    /// CAIP-2 id.
    pub network: &'static str,
    /// The token.
    pub asset: Address,
    /// The payer.
    pub from: Address,
    /// The authorization's nonce.
    pub nonce: B256,
}

/// A signed transaction, recorded before it is broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The transaction's hash, which identifies its receipt.
    pub hash: B256,
    /// The signed transaction, to be sent again unchanged.
    pub raw: Bytes,
    /// The gas key's nonce of the transaction.
    pub sender_nonce: u64,
    /// The gas limit in units.
    pub gas: u64,
    /// The maximum fee in wei, which a replacement has to exceed.
    pub max_fee_per_gas: u128,
    /// The maximum priority fee in wei, which a replacement has to exceed.
    pub max_priority_fee_per_gas: u128,
    /// The chain's latest block when the transaction was signed; it can only be mined after it.
    pub after_block: u64,
}

impl Sent {
    /// The decoded transaction, if it can be read.
    pub(super) fn transaction(&self) -> Option<TxEip1559> {
        let signed = Signed::<TxEip1559>::decode_2718(&mut self.raw.as_ref()).ok()?;
        Some(signed.into_parts().0)
    }
}

/// Stores sent transactions through restarts. After a crash between the broadcast and its outcome,
/// the stored hash is needed to find the outcome on the chain.
#[async_trait]
pub trait SentStore: Send + Sync + 'static {
    /// Adds a transaction to a payment; it is durable on return.
    ///
    /// # Errors
    /// The transaction may not be stored, so it is not sent.
    async fn record(&self, payment: &PaymentKey, sent: &Sent) -> Result<(), SentStoreError>;

    /// The payment's transactions, oldest first.
    ///
    /// # Errors
    /// The store failed.
    async fn sent(&self, payment: &PaymentKey) -> Result<Vec<Sent>, SentStoreError>;
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of sent transactions failed: {0}")]
pub struct SentStoreError(pub String);

/// A store in memory, for tests.
#[derive(Debug, Default)]
pub struct MemorySentStore(Mutex<HashMap<PaymentKey, Vec<Sent>>>);

#[async_trait]
impl SentStore for MemorySentStore {
    async fn record(&self, payment: &PaymentKey, sent: &Sent) -> Result<(), SentStoreError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(payment.clone()).or_default().push(sent.clone());
        Ok(())
    }

    async fn sent(&self, payment: &PaymentKey) -> Result<Vec<Sent>, SentStoreError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.get(payment).cloned().unwrap_or_default())
    }
}
