//! What the chain itself says of an authorization, for a service that settles through somebody
//! else and was left without an answer. It needs a node and no key.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use url::Url;

use super::{
    SetupError, fits,
    rpc::{Rpc, RpcError},
    token::{self, Spent},
    wallet,
};
use crate::{
    facilitator::{FacilitatorRequest, terms::Terms},
    network::Network,
};

/// How long one question to the node may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far back a transfer is looked for, in blocks. Nodes that serve the public often refuse to
/// search more than 10,000; at two seconds a block this is more than four hours, and an
/// authorization lives for minutes.
const LOOK_BACK: u64 = 9_000;

/// Asks a node what became of a payment.
pub struct Witness {
    network: &'static Network,
    rpc: Rpc,
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The authorization was not used so far.
    Unspent,
    /// The transfer that it allows was made.
    Moved {
        /// The transaction's hash; empty when it is too long ago for the node to find.
        transaction: String,
    },
    /// Its author took it back; it can never move money.
    Canceled,
}

impl Witness {
    /// A witness for one network. Nothing is asked yet.
    #[must_use]
    pub fn new(network: &'static Network, node: Url, http: reqwest::Client) -> Self {
        Self {
            network,
            rpc: Rpc::new(node, http, PATIENCE),
        }
    }

    /// Whether the node is on the network, and the network's USDC is there.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub async fn check(&self) -> Result<(), SetupError> {
        fits(&self.rpc, self.network).await
    }

    /// Whether a wallet that is a contract takes a signature of `hash` for its own (ERC-1271).
    ///
    /// # Errors
    /// The node did not answer.
    pub async fn accepts(
        &self,
        account: Address,
        hash: B256,
        signature: Bytes,
    ) -> Result<bool, RpcError> {
        wallet::accepts(&self.rpc, account, hash, signature).await
    }

    /// What the chain says now. An authorization that is spent and was not canceled has made
    /// exactly the transfer that it names, whoever sent it, because the token allows nothing else.
    ///
    /// # Errors
    /// The node did not answer, or the request names another network.
    pub async fn look(&self, request: &FacilitatorRequest) -> Result<Evidence, RpcError> {
        let terms = Terms::read(request, self.network)
            .map_err(|reason| RpcError::Nonsense(reason.to_string()))?;
        if !token::authorization_spent(&self.rpc, &terms).await? {
            return Ok(Evidence::Unspent);
        }
        let latest = self.rpc.latest_block().await?.number.to::<u64>();
        let from = latest.saturating_sub(LOOK_BACK);
        Ok(match token::how_spent(&self.rpc, &terms, from).await? {
            Some(Spent::Used(transaction)) => Evidence::Moved {
                transaction: transaction.to_string(),
            },
            Some(Spent::Canceled) => Evidence::Canceled,
            None => Evidence::Moved {
                transaction: String::new(),
            },
        })
    }
}
