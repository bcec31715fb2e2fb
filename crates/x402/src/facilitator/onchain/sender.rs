//! The single task that sends transactions for the gas key. It numbers, signs, records and
//! broadcasts one transaction after the other, so that no two use the same nonce. It does not wait
//! for receipts.
//!
//! The chain mines the key's transactions in the order of their nonces, so a transaction that never
//! arrived stops all later ones. Before each request, and regularly, the task compares its own
//! count with the chain's and the pool's, and fills the gaps (see [`super::gaps`]).

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

/// A request for a transaction.
#[derive(Clone)]
pub(super) struct SendRequest {
    pub(super) payment: PaymentKey,
    pub(super) to: TxKind,
    pub(super) input: Bytes,
    pub(super) gas: u64,
    pub(super) fees: Fees,
    pub(super) after_block: u64,
    /// The time at which the payment's authorization expires, in Unix seconds.
    pub(super) valid_before: u64,
    /// The nonce of the transaction to replace; absent for a new nonce.
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
    /// The node did not return the data that signing needs.
    #[error(transparent)]
    Asking(RpcError),
    /// The node refused the transaction with an unknown message.
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

    /// Seconds after which a retry may succeed.
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

    /// Broadcasts a transaction. A lost response counts as success, because the transaction may
    /// have arrived; it is recorded, and its receipt can be requested.
    pub(super) async fn send(&self, order: SendRequest) -> Result<Sent, SendError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send((order, reply))
            .await
            .map_err(|_| SendError::Stopped)?;
        answer.await.map_err(|_| SendError::Stopped)?
    }
}

/// A transaction that was broadcast and was not seen mined.
pub(super) struct InFlight {
    pub(super) sent: Sent,
    /// Whether the node accepted it. Another node behind the same URL may not have it yet.
    pub(super) taken: bool,
    /// The time until which it is useful to have it mined, in Unix seconds.
    pub(super) valid_before: u64,
    pub(super) since: Instant,
}

pub(super) struct SenderTask {
    pub(super) rpc: Arc<Rpc>,
    store: Arc<dyn SentStore>,
    pub(super) signer: PrivateKeySigner,
    chain_id: u64,
    /// The interval between two checks of the transactions in flight.
    pub(super) heal_every: Duration,
    /// The maximum fee in wei per unit of gas.
    pub(super) max_fee: u128,
    /// The next nonce by our own count; absent until the node is asked, at the start and after an
    /// unexpected response.
    pub(super) next_nonce: Option<u64>,
    /// The transactions in flight, by nonce.
    pub(super) in_flight: BTreeMap<u64, InFlight>,
}

/// The outcome of one broadcast.
pub(super) enum Broadcast {
    /// The node has the transaction, or may have it.
    Taken,
    /// Another transaction with the nonce has been mined.
    NonceMined,
    /// The first response was lost, and at the second attempt a transaction with the nonce was
    /// mined: this one or another.
    PerhapsMined,
    /// Another transaction with the nonce is in the pool and offers higher fees.
    NonceWaiting,
    /// The fees are too low.
    Underpriced(RpcError),
    OutOfGas,
    /// The node refused for another reason.
    Refused(RpcError),
    /// Both attempts got no response.
    Lost,
}

impl SenderTask {
    async fn send(&mut self, mut order: SendRequest) -> Result<Sent, SendError> {
        // A transaction after a gap is never mined, so gaps are filled first.
        self.fill_gaps(order.instead_of).await?;
        let mut last = SendError::NonceTaken;
        for _ in 0..ATTEMPTS {
            let nonce = self.nonce(&order).await?;
            let sent = self.sign(&order, nonce)?;
            self.store.record(&order.payment, &sent).await?;
            let replaces = order.instead_of.is_some();
            match self.broadcast(&sent).await {
                // After a lost response the transaction may have arrived, so its nonce is not used
                // again. If it did not arrive, the nonce is a gap, which is filled. If another
                // transaction was mined, the settlement finds that out and sends a new request.
                known @ (Broadcast::Taken | Broadcast::Lost | Broadcast::PerhapsMined) => {
                    let taken = matches!(known, Broadcast::Taken);
                    self.took(&order, &sent, taken);
                    return Ok(sent);
                }
                Broadcast::NonceMined if replaces => return Err(SendError::NonceTaken),
                Broadcast::NonceMined => self.next_nonce = None,
                // The pool has a transaction of ours that the node did not count.
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

    /// Sends the transaction twice if the first response is lost; the same bytes are the same
    /// transaction.
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

/// The current time in Unix seconds.
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

    /// A node that loses its first response to a broadcast and has mined the transaction by the
    /// second.
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

    /// Otherwise the request would get a new nonce, and would count as unsent if that fails.
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
