//! Reads the outcome of an authorization from the chain, for a service whose remote facilitator
//! gave no answer. It needs a node and no key.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use url::Url;

use super::{
    SetupError,
    evidence::{ChainReader, Evidence, Since, evidence},
    fits,
    rpc::{Rpc, RpcError},
    token, wallet,
};
use crate::{
    facilitator::{FacilitatorRequest, TransferEvidence, terms::TransferTerms},
    network::Network,
};

/// The timeout of one request to the node.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The number of blocks in one search for transfers, so that the response stays small.
const SEARCH: u64 = 2_000;

/// Reads the outcomes of payments from a node.
pub struct Witness {
    network: &'static Network,
    rpc: Rpc,
    confirmations: u64,
}

/// A transfer to an account, as [`Witness::transfers_to`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTransfer {
    /// The transfer's position on the chain.
    pub evidence: TransferEvidence,
    /// The payer.
    pub from: Address,
    /// Atomic units.
    pub value: u64,
}

impl Witness {
    /// A witness for one network. It sends no request yet.
    #[must_use]
    pub fn new(network: &'static Network, node: Url, http: reqwest::Client) -> Self {
        Self {
            network,
            rpc: Rpc::new(node, http, TIMEOUT),
            confirmations: 1,
        }
    }

    /// The same with another number of confirmations, including the block itself.
    #[must_use]
    pub fn with_confirmations(self, confirmations: u64) -> Self {
        Self {
            confirmations,
            ..self
        }
    }

    /// Checks that the node is on the network and has a contract at USDC's address.
    ///
    /// # Errors
    /// The first mismatch.
    pub async fn check(&self) -> Result<(), SetupError> {
        fits(&self.rpc, self.network).await
    }

    /// Whether the account made this signature of `hash`. An account without code signs with its
    /// key; one with code checks the signature itself (ERC-1271, also EIP-7702 delegates). One that
    /// is not deployed yet (ERC-6492) is simulated as its factory would deploy it, if the factory
    /// is on the list of allowed ones. The gas of what runs on the node is limited.
    ///
    /// # Errors
    /// The node did not answer.
    pub async fn proves(
        &self,
        account: Address,
        hash: B256,
        signature: &[u8],
    ) -> Result<bool, RpcError> {
        wallet::proves(&self.rpc, account, hash, signature).await
    }

    /// Whether the account has code. An account without code signs with its key only.
    ///
    /// # Errors
    /// The node did not answer.
    pub async fn has_code(&self, account: Address) -> Result<bool, RpcError> {
        Ok(!self.rpc.code(account).await?.is_empty())
    }

    /// Reads the outcome of a payment that was first seen at `first_seen`, in Unix seconds. Older
    /// transfers paid for something else.
    ///
    /// # Errors
    /// The node did not answer, or the request names another network.
    pub async fn find_evidence(
        &self,
        request: &FacilitatorRequest,
        first_seen: u64,
    ) -> Result<Evidence, RpcError> {
        let terms = TransferTerms::read(request, self.network)
            .map_err(|reason| RpcError::Nonsense(reason.to_string()))?;
        let reader = ChainReader {
            rpc: &self.rpc,
            terms: &terms,
            confirmations: self.confirmations,
        };
        #[cfg(feature = "chaos")]
        if crate::chaos::has(crate::chaos::Bug::AnyTransfer) {
            let seen = self.transfers_to(terms.authorization.to, SEARCH).await?;
            if let Some(last) = seen.into_iter().next_back() {
                return Ok(Evidence::Moved(last.evidence));
            }
        }
        reader.find_evidence(Since::Time(first_seen)).await
    }

    /// Whether a transfer is still at its position on the chain. A reorganisation may have removed
    /// or moved it; [`Witness::find_evidence`] then finds the new position. Evidence without a
    /// position cannot be checked and counts as present.
    ///
    /// # Errors
    /// The node did not answer.
    pub async fn still_there(&self, transfer: &TransferEvidence) -> Result<bool, RpcError> {
        let (Ok(transaction), Some(place)) = (transfer.transaction.parse(), transfer.log_index)
        else {
            return Ok(true);
        };
        let Some(receipt) = self.rpc.receipt(transaction).await? else {
            return Ok(false);
        };
        let at_place = |log: &&super::rpc::Log| log.log_index.to::<u64>() == place;
        Ok(receipt
            .logs
            .iter()
            .find(at_place)
            .is_some_and(|log| token::is_any_transfer(log, self.network.usdc.address)))
    }

    /// The transfers to an account in the latest blocks, oldest first.
    ///
    /// # Errors
    /// The node did not answer.
    pub async fn transfers_to(
        &self,
        to: Address,
        blocks: u64,
    ) -> Result<Vec<SeenTransfer>, RpcError> {
        let head = self.rpc.latest_block().await?.number();
        let mut first = (head + 1).saturating_sub(blocks);
        let mut seen = Vec::new();
        while first <= head {
            let last = head.min(first + SEARCH - 1);
            let logs = token::transfers(&self.rpc, self.network, to, first..=last).await?;
            seen.extend(logs.iter().filter_map(|log| {
                let (from, value) = token::read_transfer(log)?;
                Some(SeenTransfer {
                    evidence: evidence(log.transaction_hash, log),
                    from,
                    value,
                })
            }));
            first = last + 1;
        }
        Ok(seen)
    }
}
