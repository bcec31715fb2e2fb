//! The single task that sends transactions for the gas key: it numbers, signs, records and
//! broadcasts one after the other, so that no two take each other's nonce. It waits for no receipt.
//!
//! The chain mines the key's transactions in the order of their nonces, so one that never arrived
//! stops all that come after it. Before each order, and now and then, the task compares its own
//! count with the chain's and the pool's, and fills what is missing (see [`super::gaps`]).

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    eips::eip2718::Encodable2718 as _,
    primitives::{Bytes, TxKind, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    fees::Fees,
    rpc::{Rpc, RpcError},
    sent::{PaymentKey, Sent, SentStore, SentStoreError},
};

/// How often a request gets a new nonce before it fails.
const ATTEMPTS: u32 = 5;
/// Requests queued for the task; further callers wait to enqueue.
const QUEUE: usize = 256;

/// A transaction to be made.
#[derive(Clone)]
pub(super) struct SendRequest {
    pub(super) payment: PaymentKey,
    pub(super) to: TxKind,
    pub(super) input: Bytes,
    pub(super) gas: u64,
    pub(super) fees: Fees,
    pub(super) after_block: u64,
    /// When the payment's authorization runs out, in Unix seconds.
    pub(super) valid_before: u64,
    /// Replace the transaction with this nonce instead of using the next nonce.
    pub(super) instead_of: Option<u64>,
}

/// The reason why nothing was broadcast.
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
    /// The node did not say what has to be known before anything is signed.
    #[error(transparent)]
    Asking(RpcError),
    /// The node refused a transaction in words that are not known here.
    #[error(transparent)]
    Node(RpcError),
    #[error("an earlier transaction of the gas key cannot be broadcast")]
    Blocked,
    #[error("the gas key cannot sign")]
    Signing,
    #[error("a recorded transaction cannot be read")]
    Unreadable,
    #[error("the sender has stopped")]
    Stopped,
}

impl SendError {
    /// Whether it is certain that no node took a transaction of this request.
    pub(super) fn surely_unsent(&self) -> bool {
        !matches!(self, Self::Node(_) | Self::Stopped)
    }

    /// Seconds after which the order may succeed.
    pub(super) fn retry_after(&self) -> u64 {
        match self {
            Self::OutOfGas | Self::TooDear => 60,
            _ => 5,
        }
    }
}

type SendReply = oneshot::Sender<Result<Sent, SendError>>;

/// The handle of the task, which ends when the last handle is dropped.
pub(super) struct Sender(mpsc::Sender<(SendRequest, SendReply)>);

impl Sender {
    pub(super) fn start(
        rpc: Arc<Rpc>,
        store: Arc<dyn SentStore>,
        signer: PrivateKeySigner,
        chain_id: u64,
        (heal_every, max_fee): (Duration, u128),
    ) -> Self {
        let (orders, mut inbox) = mpsc::channel::<(SendRequest, SendReply)>(QUEUE);
        let mut task = SenderTask {
            rpc,
            store,
            signer,
            chain_id,
            heal_every,
            max_fee,
            next_nonce: None,
            in_flight: BTreeMap::new(),
        };
        tokio::spawn(async move {
            loop {
                let idle = task.in_flight.is_empty();
                let order = tokio::select! {
                    order = inbox.recv() => order,
                    () = tokio::time::sleep(heal_every), if !idle => {
                        task.check_gaps().await;
                        continue;
                    }
                };
                let Some((order, reply)) = order else { return };
                // The caller may be gone; the sent transaction is in the store.
                let _ = reply.send(task.send(order).await);
            }
        });
        Self(orders)
    }

    /// Broadcasts a transaction. It may have arrived even where the node did not answer: that is a
    /// success here, because what was sent is recorded and its receipt can be asked for.
    pub(super) async fn send(&self, order: SendRequest) -> Result<Sent, SendError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send((order, reply))
            .await
            .map_err(|_| SendError::Stopped)?;
        answer.await.map_err(|_| SendError::Stopped)?
    }
}

/// A transaction that was broadcast, as far as is known, and not seen mined.
pub(super) struct InFlight {
    pub(super) sent: Sent,
    /// Whether the node has said that it took it. Another node behind the same URL may not have it
    /// yet.
    pub(super) taken: bool,
    /// Until when it is worth to be mined, in Unix seconds.
    pub(super) valid_before: u64,
    pub(super) since: Instant,
}

pub(super) struct SenderTask {
    pub(super) rpc: Arc<Rpc>,
    store: Arc<dyn SentStore>,
    pub(super) signer: PrivateKeySigner,
    chain_id: u64,
    /// Between two looks at what is in flight.
    pub(super) heal_every: Duration,
    /// Wei for each unit of gas at most.
    pub(super) max_fee: u128,
    /// Ours to count; asked of the node at the start and after every surprise.
    pub(super) next_nonce: Option<u64>,
    /// By nonce.
    pub(super) in_flight: BTreeMap<u64, InFlight>,
}

/// The outcome of one broadcast.
pub(super) enum Broadcast {
    /// The node has it, or may have it.
    Taken,
    /// Another transaction with the nonce has been mined.
    NonceMined,
    /// The first answer was lost, and by the second one a transaction with the nonce has been mined: this one or another.
    PerhapsMined,
    /// Another transaction with the nonce waits in the pool, and offers more.
    NonceWaiting,
    /// It offers too little.
    Underpriced(RpcError),
    OutOfGas,
    /// The node refused for another reason.
    Refused(RpcError),
    /// No answer, twice.
    Lost,
}

impl SenderTask {
    async fn send(&mut self, mut order: SendRequest) -> Result<Sent, SendError> {
        // Behind a gap nothing is mined, so nothing is put there.
        self.fill_gaps(order.instead_of).await?;
        let mut last = SendError::NonceTaken;
        for _ in 0..ATTEMPTS {
            let nonce = self.nonce(&order).await?;
            let sent = self.sign(&order, nonce)?;
            self.store.record(&order.payment, &sent).await?;
            let replaces = order.instead_of.is_some();
            match self.broadcast(&sent).await {
                // Where the answer was lost it may have arrived; its place is not given to another,
                // and if it is empty, it is a gap, which is filled. If it was not the one that was
                // mined, who follows it finds that out and orders anew.
                known @ (Broadcast::Taken | Broadcast::Lost | Broadcast::PerhapsMined) => {
                    let taken = matches!(known, Broadcast::Taken);
                    self.took(&order, &sent, taken);
                    return Ok(sent);
                }
                Broadcast::NonceMined if replaces => return Err(SendError::NonceTaken),
                Broadcast::NonceMined => self.next_nonce = None,
                // A transaction of ours is there that the node did not count.
                Broadcast::NonceWaiting if !replaces => self.next_nonce = Some(nonce + 1),
                Broadcast::NonceWaiting => order.fees = order.fees.outbidding(&sent),
                Broadcast::Underpriced(error) => {
                    order.fees = order.fees.outbidding(&sent);
                    last = SendError::Node(error);
                }
                Broadcast::OutOfGas => return Err(SendError::OutOfGas),
                Broadcast::Refused(error) => {
                    self.next_nonce = None;
                    return Err(SendError::Node(error));
                }
            }
            if order.fees.max_fee > self.max_fee {
                return Err(SendError::TooDear);
            }
        }
        Err(last)
    }

    async fn nonce(&self, order: &SendRequest) -> Result<u64, SendError> {
        match order.instead_of.or(self.next_nonce) {
            Some(nonce) => Ok(nonce),
            None => {
                let nonces = self.rpc.nonces(self.signer.address()).await;
                nonces
                    .map(|(_, pending)| pending)
                    .map_err(SendError::Asking)
            }
        }
    }

    /// Twice where the first answer is lost: the same bytes are the same transaction.
    pub(super) async fn broadcast(&self, sent: &Sent) -> Broadcast {
        let mut answer = self.rpc.broadcast(&sent.raw).await;
        let lost = matches!(
            answer,
            Err(RpcError::Unreachable(_) | RpcError::Nonsense(_))
        );
        if lost {
            answer = self.rpc.broadcast(&sent.raw).await;
        }
        let Err(error) = answer else {
            return Broadcast::Taken;
        };
        if error.says(&["already known", "already imported"]) {
            Broadcast::Taken
        } else if error.says(&["nonce too low"]) && lost {
            Broadcast::PerhapsMined
        } else if error.says(&["nonce too low"]) {
            Broadcast::NonceMined
        } else if error.says(&["replacement"]) {
            Broadcast::NonceWaiting
        } else if error.says(&["underpriced", "less than block base fee"]) {
            Broadcast::Underpriced(error)
        } else if error.says(&["insufficient funds"]) {
            Broadcast::OutOfGas
        } else if let RpcError::Refused { .. } = error {
            Broadcast::Refused(error)
        } else {
            Broadcast::Lost
        }
    }

    fn took(&mut self, order: &SendRequest, sent: &Sent, taken: bool) {
        if order.instead_of.is_none() {
            self.next_nonce = Some(sent.sender_nonce + 1);
        }
        let in_flight = InFlight {
            sent: sent.clone(),
            taken,
            valid_before: order.valid_before,
            since: Instant::now(),
        };
        self.in_flight.insert(sent.sender_nonce, in_flight);
    }

    fn sign(&self, order: &SendRequest, nonce: u64) -> Result<Sent, SendError> {
        let transaction = TxEip1559 {
            to: order.to,
            input: order.input.clone(),
            gas_limit: order.gas,
            ..self.transaction(nonce, order.fees)
        };
        self.signed(transaction, order.after_block)
    }

    /// An empty transaction of the gas key to itself.
    pub(super) fn transaction(&self, nonce: u64, fees: Fees) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.priority_fee,
            to: self.signer.address().into(),
            value: U256::ZERO,
            access_list: Default::default(),
            input: Bytes::new(),
        }
    }

    pub(super) fn signed(
        &self,
        transaction: TxEip1559,
        after_block: u64,
    ) -> Result<Sent, SendError> {
        let signature = self
            .signer
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|_| SendError::Signing)?;
        let signed = transaction.into_signed(signature);
        let made = signed.tx();
        Ok(Sent {
            hash: *signed.hash(),
            sender_nonce: made.nonce,
            gas: made.gas_limit,
            max_fee_per_gas: made.max_fee_per_gas,
            max_priority_fee_per_gas: made.max_priority_fee_per_gas,
            raw: signed.encoded_2718().into(),
            after_block,
        })
    }
}

/// Unix seconds.
pub(super) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::{Json, Router, http::StatusCode, response::IntoResponse as _, routing::post};
    use serde_json::json;

    use super::*;
    use crate::facilitator::onchain::MemorySentStore;

    /// A node whose first answer to a broadcast is lost, and which has mined the transaction by the second.
    async fn node_that_is_quick() -> url::Url {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let answer = || async {
            match ASKED.fetch_add(1, Ordering::SeqCst) {
                0 => StatusCode::BAD_GATEWAY.into_response(),
                _ => {
                    let error = json!({"code": -32000, "message": "nonce too low: next nonce 1"});
                    Json(json!({"jsonrpc": "2.0", "id": 1, "error": error})).into_response()
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url.parse().unwrap()
    }

    /// Else the order would be numbered anew, and called unsent where that fails.
    #[tokio::test]
    async fn a_transaction_that_may_have_been_mined_meanwhile_is_never_called_unsent() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let node = node_that_is_quick().await;
        let task = SenderTask {
            rpc: Arc::new(Rpc::new(node, http, Duration::from_secs(5))),
            store: Arc::new(MemorySentStore::default()),
            signer: PrivateKeySigner::from_bytes(&[7; 32].into()).unwrap(),
            chain_id: 31_337,
            heal_every: Duration::from_secs(5),
            max_fee: 10,
            next_nonce: None,
            in_flight: BTreeMap::new(),
        };
        let fees = Fees {
            max_fee: 2,
            priority_fee: 1,
        };
        let sent = task.signed(task.transaction(0, fees), 0).unwrap();
        let outcome = task.broadcast(&sent).await;
        assert!(matches!(outcome, Broadcast::PerhapsMined));
    }
}
