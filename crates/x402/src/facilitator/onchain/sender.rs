//! The gas key's only voice: one task that numbers, signs, records and broadcasts transactions, one
//! after the other, so that no two take each other's nonce. It waits for no receipt.

use std::sync::Arc;

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    eips::eip2718::Encodable2718 as _,
    primitives::{Address, Bytes, TxKind, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    fees::Fees,
    rpc::{Rpc, RpcError},
    sent::{PaymentKey, Sent, SentStore, SentStoreError},
};

/// How often an order is numbered anew before it is given back.
const ATTEMPTS: u32 = 5;
/// Orders that wait for the task; more wait in their callers.
const QUEUE: usize = 256;

/// A transaction to be made.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) payment: PaymentKey,
    pub(super) to: Address,
    pub(super) input: Bytes,
    pub(super) gas: u64,
    pub(super) fees: Fees,
    pub(super) after_block: u64,
    /// Take the place of the transaction with this nonce instead of the next place.
    pub(super) instead_of: Option<u64>,
}

/// Why nothing was broadcast.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Store(#[from] SentStoreError),
    #[error("a transaction with that nonce has been mined")]
    NonceTaken,
    #[error("the gas key has too little to pay for gas")]
    OutOfGas,
    #[error("the chain wants more for gas than is allowed")]
    TooDear,
    #[error(transparent)]
    Node(RpcError),
    #[error("the gas key cannot sign")]
    Signing,
    #[error("the sender has stopped")]
    Stopped,
}

type Reply = oneshot::Sender<Result<Sent, SendError>>;

/// The way to the task, which ends when the last of these is dropped.
pub(super) struct Sender(mpsc::Sender<(Order, Reply)>);

impl Sender {
    pub(super) fn start(
        rpc: Arc<Rpc>,
        store: Arc<dyn SentStore>,
        signer: PrivateKeySigner,
        chain_id: u64,
    ) -> Self {
        let (orders, mut inbox) = mpsc::channel::<(Order, Reply)>(QUEUE);
        let mut task = Task {
            rpc,
            store,
            signer,
            chain_id,
            next_nonce: None,
        };
        tokio::spawn(async move {
            while let Some((order, reply)) = inbox.recv().await {
                // Who ordered may be gone; what was sent is in the store.
                let _ = reply.send(task.send(order).await);
            }
        });
        Self(orders)
    }

    /// Broadcasts a transaction. It may have arrived even where the node did not answer: that is a
    /// success here, because what was sent is recorded and its receipt can be asked for.
    pub(super) async fn send(&self, order: Order) -> Result<Sent, SendError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send((order, reply))
            .await
            .map_err(|_| SendError::Stopped)?;
        answer.await.map_err(|_| SendError::Stopped)?
    }
}

struct Task {
    rpc: Arc<Rpc>,
    store: Arc<dyn SentStore>,
    signer: PrivateKeySigner,
    chain_id: u64,
    /// Ours to count; asked of the node at the start and after every surprise.
    next_nonce: Option<u64>,
}

impl Task {
    async fn send(&mut self, mut order: Order) -> Result<Sent, SendError> {
        let mut last = SendError::NonceTaken;
        for _ in 0..ATTEMPTS {
            let nonce = self.nonce(&order).await?;
            let sent = self.sign(&order, nonce)?;
            self.store.record(&order.payment, &sent).await?;
            let Err(error) = self.broadcast(&sent).await else {
                self.took(&order, nonce);
                return Ok(sent);
            };
            let replaces = order.instead_of.is_some();
            if error.says(&["already known", "already imported"]) {
                self.took(&order, nonce);
                return Ok(sent);
            } else if error.says(&["nonce too low"]) {
                if replaces {
                    return Err(SendError::NonceTaken);
                }
                self.next_nonce = None;
            } else if error.says(&["replacement"]) && !replaces {
                // Somebody of ours stands there that the node did not count.
                self.next_nonce = Some(nonce + 1);
            } else if error.says(&["underpriced", "less than block base fee"]) {
                order.fees = order.fees.outbidding(&sent);
            } else if error.says(&["insufficient funds"]) {
                return Err(SendError::OutOfGas);
            } else if let RpcError::Refused { .. } = error {
                self.next_nonce = None;
                return Err(SendError::Node(error));
            } else {
                // It may have arrived. Its place is not given to another; if it is empty, whoever
                // follows this payment fills it.
                self.took(&order, nonce);
                return Ok(sent);
            }
            last = SendError::Node(error);
        }
        Err(last)
    }

    async fn nonce(&self, order: &Order) -> Result<u64, SendError> {
        match order.instead_of.or(self.next_nonce) {
            Some(nonce) => Ok(nonce),
            None => self
                .rpc
                .next_nonce(self.signer.address())
                .await
                .map_err(SendError::Node),
        }
    }

    /// Twice where the first answer is lost: the same bytes are the same transaction.
    async fn broadcast(&self, sent: &Sent) -> Result<(), RpcError> {
        match self.rpc.broadcast(&sent.raw).await {
            Err(RpcError::Unreachable(_) | RpcError::Nonsense(_)) => {
                self.rpc.broadcast(&sent.raw).await.map(drop)
            }
            answer => answer.map(drop),
        }
    }

    fn took(&mut self, order: &Order, nonce: u64) {
        if order.instead_of.is_none() {
            self.next_nonce = Some(nonce + 1);
        }
    }

    fn sign(&self, order: &Order, nonce: u64) -> Result<Sent, SendError> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: order.gas,
            max_fee_per_gas: order.fees.max_fee,
            max_priority_fee_per_gas: order.fees.priority_fee,
            to: TxKind::Call(order.to),
            value: U256::ZERO,
            access_list: Default::default(),
            input: order.input.clone(),
        };
        let signature = self
            .signer
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|_| SendError::Signing)?;
        let signed = transaction.into_signed(signature);
        Ok(Sent {
            hash: *signed.hash(),
            raw: signed.encoded_2718().into(),
            sender_nonce: nonce,
            gas: order.gas,
            max_fee_per_gas: order.fees.max_fee,
            max_priority_fee_per_gas: order.fees.priority_fee,
            after_block: order.after_block,
        })
    }
}
