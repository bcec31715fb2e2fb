//! The memory of what was sent to the chain, kept by the service that runs the facilitator.

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

/// Names one authorization.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaymentKey {
    /// CAIP-2 id.
    pub network: &'static str,
    /// The token.
    pub asset: Address,
    /// Who pays.
    pub from: Address,
    /// The authorization's.
    pub nonce: B256,
}

/// A signed transaction, recorded before the chain hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its hash, by which its receipt is found.
    pub hash: B256,
    /// Itself, to be sent again as it is.
    pub raw: Bytes,
    /// The gas key's nonce in it.
    pub sender_nonce: u64,
    /// Units of gas at most.
    pub gas: u64,
    /// Wei, for whoever has to outbid it.
    pub max_fee_per_gas: u128,
    /// Wei, the same.
    pub max_priority_fee_per_gas: u128,
    /// The chain's latest block when it was made; its effects come later.
    pub after_block: u64,
}

impl Sent {
    /// The transaction itself, where it can be read.
    pub(super) fn transaction(&self) -> Option<TxEip1559> {
        let signed = Signed::<TxEip1559>::decode_2718(&mut self.raw.as_ref()).ok()?;
        Some(signed.into_parts().0)
    }
}

/// Keeps what was sent, through restarts. Without it a crash between sending and hearing of the
/// outcome leaves nothing to ask the chain about.
#[async_trait]
pub trait SentStore: Send + Sync + 'static {
    /// Adds a transaction to a payment; durable when it returns.
    ///
    /// # Errors
    /// It is not certain to be kept, and is not sent.
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

/// A store that forgets, for tests.
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
