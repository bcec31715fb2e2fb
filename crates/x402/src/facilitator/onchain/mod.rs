//! A facilitator with a gas key and a node of one's own.
//!
//! It verifies by letting the node run the transfer without doing it, which covers the signature
//! (also a contract's), the balance, the nonce and whatever else the token minds. It settles by
//! sending the transfer: recorded in a [`SentStore`] before the chain hears of it, sent again with
//! higher fees while it is not mined, and judged by its receipt and the token's own events. A
//! settlement asked for again goes on where the first left off.

mod erc6492;
mod evidence;
mod examine;
mod fees;
mod follow;
mod rpc;
mod sender;
mod sent;
mod settle;
mod token;
mod wallet;
mod witness;

pub use evidence::{CLOCK_MARGIN, Evidence};
pub use rpc::RpcError;
pub use sent::{MemorySentStore, PaymentKey, Sent, SentStore, SentStoreError};
pub use witness::{SeenTransfer, Witness};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, U256},
    signers::local::PrivateKeySigner,
};
use async_trait::async_trait;
use serde_json::json;
use url::Url;

use self::{
    examine::{Finding, examine},
    fees::Fees,
    rpc::Rpc,
    sender::Sender,
    settle::Job,
};
use super::{
    Description, Facilitator, FacilitatorError, FacilitatorRequest, Settlement, Supported,
    Verification, terms::Terms,
};
use crate::{network::Network, reason::Reason, wire::Rest};

/// The gas of a transfer with its authorization, rounded up.
const SETTLEMENT_GAS: u64 = 100_000;

/// How it deals with the chain.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// One question to the node.
    pub node: Duration,
    /// One call of `settle`; a transaction that is not mined by then is pending.
    pub settle: Duration,
    /// Between two looks for a receipt.
    pub look_every: Duration,
    /// A transaction that is not mined for so long gets higher fees.
    pub outbid_after: Duration,
    /// Blocks, its own included, after which a transaction counts as mined.
    pub confirmations: u64,
    /// Wei for each unit of gas; nothing is sent while the chain wants more.
    pub max_fee_per_gas: u128,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            node: Duration::from_secs(10),
            settle: Duration::from_secs(45),
            look_every: Duration::from_millis(500),
            outbid_after: Duration::from_secs(12),
            confirmations: 1,
            max_fee_per_gas: 200_000_000_000,
        }
    }
}

/// Verifies and settles on the chain itself.
pub struct OnchainFacilitator {
    network: &'static Network,
    rpc: Arc<Rpc>,
    sender: Sender,
    store: Arc<dyn SentStore>,
    gas_key: Address,
    patience: Patience,
    in_flight: Mutex<HashMap<PaymentKey, Arc<tokio::sync::Mutex<()>>>>,
}

/// The node, the network and the gas key do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No answer.
    #[error(transparent)]
    Node(#[from] RpcError),
    /// The node is on another chain.
    #[error("the node is on chain {found}, the network is chain {wanted}")]
    OtherChain {
        /// The node's chain id.
        found: u64,
        /// The network's.
        wanted: u64,
    },
    /// There is no token where USDC should be.
    #[error("there is no contract at {0}, where USDC should be")]
    NoToken(Address),
    /// The gas key cannot pay for anything.
    #[error("the account {0} has nothing to pay for gas with")]
    NoGas(Address),
}

impl OnchainFacilitator {
    /// Starts the sender's task, so a Tokio runtime has to be there. Nothing is asked of the node
    /// yet; see [`OnchainFacilitator::check`]. No other program may send with the same key.
    #[must_use]
    pub fn new(
        network: &'static Network,
        node: Url,
        http: reqwest::Client,
        gas_key: PrivateKeySigner,
        store: Arc<dyn SentStore>,
        patience: Patience,
    ) -> Self {
        let rpc = Arc::new(Rpc::new(node, http, patience.node));
        let address = gas_key.address();
        let sender = Sender::start(
            Arc::clone(&rpc),
            Arc::clone(&store),
            gas_key,
            network.chain_id,
        );
        Self {
            network,
            rpc,
            sender,
            store,
            gas_key: address,
            patience,
            in_flight: Mutex::default(),
        }
    }

    /// Whether node, network and gas key fit together; gives what the key has for gas, in wei.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub async fn check(&self) -> Result<U256, SetupError> {
        fits(&self.rpc, self.network).await?;
        let gas = self.rpc.gas_balance(self.gas_key).await?;
        if gas.is_zero() {
            return Err(SetupError::NoGas(self.gas_key));
        }
        Ok(gas)
    }

    /// About what one settlement costs now, in wei: a transfer with its authorization at the fee that would be offered.
    ///
    /// # Errors
    /// The node did not answer.
    pub async fn settlement_cost(&self) -> Result<U256, RpcError> {
        let (fees, _) = Fees::now(&self.rpc).await?;
        Ok(U256::from(SETTLEMENT_GAS) * U256::from(fees.max_fee))
    }

    /// Who pays for gas.
    #[must_use]
    pub fn gas_key(&self) -> Address {
        self.gas_key
    }

    fn job<'a>(&self, request: &'a FacilitatorRequest, terms: &'a Terms) -> Job<'a> {
        let key = PaymentKey {
            network: self.network.caip2,
            asset: self.network.usdc.address,
            from: terms.authorization.from,
            nonce: terms.authorization.nonce,
        };
        let call = token::transfer_call(terms);
        Job {
            terms,
            request,
            key,
            call,
        }
    }

    /// The lock of one payment: copies of a settlement take turns, and the later ones find what the
    /// first has sent.
    fn lock(&self, key: &PaymentKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Nobody can be waiting for a lock that only the map holds.
        all.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(all.entry(key.clone()).or_default())
    }
}

/// Whether a node is on this network, and USDC is where it should be.
async fn fits(rpc: &Rpc, network: &Network) -> Result<(), SetupError> {
    let (found, wanted) = (rpc.chain_id().await?, network.chain_id);
    if found != wanted {
        return Err(SetupError::OtherChain { found, wanted });
    }
    let token = network.usdc.address;
    if rpc.code(token).await?.is_empty() {
        return Err(SetupError::NoToken(token));
    }
    Ok(())
}

#[async_trait]
impl Facilitator for OnchainFacilitator {
    async fn verify(&self, request: &FacilitatorRequest) -> Result<Verification, FacilitatorError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let invalid = |reason: Reason| Verification::Invalid {
            reason: reason.code.into_owned(),
            message: Some(reason.message),
        };
        let terms = match Terms::read(request, self.network) {
            Ok(terms) => terms,
            Err(reason) => return Ok(invalid(reason)),
        };
        if let Err(reason) = terms.window(now) {
            return Ok(invalid(reason));
        }
        let call = token::transfer_call(&terms);
        match examine(&self.rpc, &terms, self.gas_key, &call).await {
            Ok(Finding::Good { .. }) => Ok(Verification::Valid {
                payer: Some(terms.authorization.from),
            }),
            Ok(Finding::Bad(reason)) => Ok(invalid(reason)),
            Err(RpcError::Nonsense(text)) => Err(FacilitatorError::Nonsense(text)),
            Err(error) => Err(FacilitatorError::Unreachable(error.to_string())),
        }
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Settlement {
        let terms = match Terms::read(request, self.network) {
            Ok(terms) => terms,
            Err(reason) => {
                return Settlement::Refused {
                    reason: reason.code.into_owned(),
                    message: Some(reason.message),
                };
            }
        };
        let job = self.job(request, &terms);
        let lock = self.lock(&job.key);
        let _turn = lock.lock().await;
        self.settle_alone(&job).await
    }

    async fn supported(&self) -> Result<Supported, FacilitatorError> {
        let mut supported = Supported::exact_on(self.network);
        let signers = json!({"eip155:*": [self.gas_key]});
        supported.rest = Rest::from_iter([("signers".to_owned(), signers)]);
        Ok(supported)
    }

    fn describe(&self) -> Description {
        Description {
            kind: "onchain",
            url: Some(self.rpc.place()),
            simulated: false,
        }
    }
}
