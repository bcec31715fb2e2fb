//! A facilitator with the operator's own gas key and node.
//!
//! It verifies a payment by a simulation of the transfer on the node, which covers the signature
//! (also a contract's), the balance, the nonce and everything else that the token checks. It
//! settles by sending the transfer. The transaction is recorded in a [`SentStore`] before it is
//! broadcast, sent again with higher fees while it is not mined, and judged by its receipt and the
//! token's own events. A repeated settlement continues the first one.

mod backoff;
mod erc6492;
mod evidence;
mod examine;
mod fees;
mod first_seen;
mod follow;
mod gaps;
mod rpc;
mod sender;
mod sent;
mod settings;
mod settle;
mod token;
mod wallet;
mod witness;

pub use evidence::{CLOCK_MARGIN, Evidence};
pub use rpc::RpcError;
pub use sent::{MemorySentStore, PaymentKey, Sent, SentStore, SentStoreError};
pub use settings::{ChainSettings, GasPolicy};
pub use witness::{SeenTransfer, Witness};

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, U256},
    signers::local::PrivateKeySigner,
};
use async_trait::async_trait;
use named_locks::NamedLocks;
use serde_json::json;
use url::Url;

use self::{
    backoff::Backoff,
    examine::{Examination, TransferCheck},
    fees::Fees,
    first_seen::FirstSeen,
    rpc::Rpc,
    sender::Sender,
    settle::SettlementJob,
};
use super::{
    Description, Facilitator, FacilitatorError, FacilitatorRequest, Settlement, Supported,
    Verification, terms::TransferTerms,
};
use crate::{
    network::Network,
    reason::{Reason, code},
    wire::Rest,
};

/// The gas of a transfer with its authorization, rounded up.
const SETTLEMENT_GAS: u64 = 100_000;

/// How long the gas key's balance is cached for checks that strangers can trigger.
const READY_FRESH: Duration = Duration::from_secs(10);

/// Verifies and settles on the chain itself.
pub struct OnchainFacilitator {
    network: &'static Network,
    rpc: Arc<Rpc>,
    sender: Sender,
    store: Arc<dyn SentStore>,
    gas_key: Address,
    settings: ChainSettings,
    in_flight: NamedLocks<PaymentKey>,
    first_seen: FirstSeen,
    backoff: Backoff,
    ready: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
}

/// The node, the network and the gas key do not match.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] RpcError),
    /// The node is on another chain.
    #[error("the node is on chain {found}, the network is chain {wanted}")]
    OtherChain {
        /// The node's chain id.
        found: u64,
        /// The network's chain id.
        wanted: u64,
    },
    /// There is no contract at USDC's address.
    #[error("there is no contract at {0}, where USDC should be")]
    NoToken(Address),
    /// The gas key has no coins to pay for gas.
    #[error("the account {0} has nothing to pay for gas with")]
    NoGas(Address),
}

impl OnchainFacilitator {
    /// Starts the sender's task, so it needs a Tokio runtime. It sends no request to the node yet;
    /// see [`OnchainFacilitator::check`]. No other program may send with the same key.
    #[must_use]
    pub fn new(
        network: &'static Network,
        node: Url,
        http: reqwest::Client,
        gas_key: PrivateKeySigner,
        store: Arc<dyn SentStore>,
        settings: ChainSettings,
    ) -> Self {
        let rpc = Arc::new(Rpc::new(node, http, settings.node_timeout));
        let address = gas_key.address();
        let sender = Sender::start(
            Arc::clone(&rpc),
            Arc::clone(&store),
            gas_key,
            network.chain_id,
            (settings.outbid_after, settings.gas.max_fee_per_gas),
        );
        Self {
            network,
            rpc,
            sender,
            store,
            gas_key: address,
            settings,
            in_flight: NamedLocks::default(),
            first_seen: FirstSeen::default(),
            backoff: Backoff::default(),
            ready: tokio::sync::Mutex::default(),
        }
    }

    /// Checks that node, network and gas key match, and returns the gas key's balance in wei.
    ///
    /// # Errors
    /// The first mismatch.
    pub async fn check(&self) -> Result<U256, SetupError> {
        fits(&self.rpc, self.network).await?;
        let gas = self.rpc.gas_balance(self.gas_key).await?;
        if gas.is_zero() {
            return Err(SetupError::NoGas(self.gas_key));
        }
        Ok(gas)
    }

    /// The approximate cost of one settlement now, in wei: the gas of a transfer with its
    /// authorization at the current fee.
    ///
    /// # Errors
    /// The node did not answer.
    pub async fn settlement_cost(&self) -> Result<U256, RpcError> {
        let (fees, _) = self.rpc.fees().await?;
        Ok(U256::from(SETTLEMENT_GAS) * U256::from(fees.max_fee))
    }

    /// The account that pays for gas.
    #[must_use]
    pub fn gas_key(&self) -> Address {
        self.gas_key
    }

    fn job<'a>(
        &self,
        request: &'a FacilitatorRequest,
        terms: &'a TransferTerms,
    ) -> SettlementJob<'a> {
        let key = PaymentKey {
            network: self.network.caip2,
            asset: self.network.usdc.address,
            from: terms.authorization.from,
            nonce: terms.authorization.nonce,
        };
        SettlementJob {
            terms,
            request,
            key,
        }
    }

    /// Whether the payment would settle now, in the state after the latest block.
    async fn examine(
        &self,
        job: &SettlementJob<'_>,
    ) -> Result<(TransferCheck, Fees, u64), RpcError> {
        let (fees, head) = self.rpc.fees().await?;
        let examination = Examination {
            rpc: &self.rpc,
            terms: job.terms,
            gas_key: self.gas_key,
            policy: &self.settings.gas,
            head: &head,
            fees,
        };
        let finding = examination.run().await?;
        if matches!(finding, TransferCheck::Good(_)) {
            let now = Instant::now();
            self.first_seen.record(&job.key, head.number(), now);
        }
        Ok((finding, fees, head.number()))
    }

    /// Whether the gas key could pay for a settlement of an ordinary account now.
    async fn can_pay(&self) -> Result<(), String> {
        let policy = &self.settings.gas;
        let asked = tokio::try_join!(self.rpc.fees(), self.rpc.gas_balance(self.gas_key));
        // The cause may name the node, and this text is public.
        let ((fees, _), balance) = asked.map_err(|_| "the node does not answer".to_owned())?;
        if fees.max_fee > policy.max_fee_per_gas {
            return Err("the chain wants more for gas than is allowed".into());
        }
        if balance < U256::from(policy.limit_ordinary) * U256::from(fees.max_fee) {
            return Err("the gas key has too little".into());
        }
        Ok(())
    }
}

/// Checks that a node is on this network and has a contract at USDC's address.
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
        let invalid = |reason: Reason| Verification::Invalid {
            reason: reason.code.into_owned(),
            message: Some(reason.message),
        };
        let terms = match TransferTerms::read(request, self.network) {
            Ok(terms) => terms,
            Err(reason) => return Ok(invalid(reason)),
        };
        if let Err(reason) = terms.window(sender::unix_now()) {
            return Ok(invalid(reason));
        }
        let job = self.job(request, &terms);
        let payer = job.key.from;
        if let Some(left) = self.backoff.remaining(payer, Instant::now()) {
            let message = format!(
                "an earlier settlement of this account reverted; it can pay again in {} s",
                left.as_secs() + 1
            );
            return Ok(invalid(Reason::new(code::TRANSACTION_FAILED, message)));
        }
        match self.examine(&job).await {
            Ok((TransferCheck::Good(_), ..)) => Ok(Verification::Valid { payer: Some(payer) }),
            Ok((TransferCheck::Bad(reason), ..)) => Ok(invalid(reason)),
            Ok((TransferCheck::NotReady(why), ..)) => Err(FacilitatorError::NotReady(why)),
            Err(RpcError::Nonsense(text)) => Err(FacilitatorError::Nonsense(text)),
            Err(error) => Err(FacilitatorError::Unreachable(error.to_string())),
        }
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Settlement {
        let terms = match TransferTerms::read(request, self.network) {
            Ok(terms) => terms,
            Err(reason) => {
                return Settlement::Refused {
                    reason: reason.code.into_owned(),
                    message: Some(reason.message),
                };
            }
        };
        let job = self.job(request, &terms);
        // Copies of a settlement run one after the other, and the later ones find the transactions
        // of the first.
        let _lock_guard = self.in_flight.named(job.key.clone()).lock().await;
        self.settle_alone(&job).await
    }

    async fn supported(&self) -> Result<Supported, FacilitatorError> {
        let mut supported = Supported::exact_on(self.network);
        let signers = json!({"eip155:*": [self.gas_key]});
        supported.rest = Rest::from_iter([("signers".to_owned(), signers)]);
        Ok(supported)
    }

    async fn ready(&self) -> Result<(), FacilitatorError> {
        let mut known = self.ready.lock().await;
        let fresh = known
            .as_ref()
            .filter(|(at, _)| at.elapsed() < READY_FRESH)
            .map(|(_, answer)| answer.clone());
        let answer = match fresh {
            Some(answer) => answer,
            None => {
                let answer = self.can_pay().await;
                *known = Some((Instant::now(), answer.clone()));
                answer
            }
        };
        answer.map_err(FacilitatorError::NotReady)
    }

    fn describe(&self) -> Description {
        Description {
            kind: "onchain",
            url: Some(self.rpc.origin()),
            simulated: false,
        }
    }
}
