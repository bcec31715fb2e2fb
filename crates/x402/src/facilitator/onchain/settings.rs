//! The facilitator's settings for the chain: timeouts, confirmations and gas.

use std::time::Duration;

use crate::network::Network;

/// Timeouts, confirmations and gas limits.
#[derive(Clone, Copy, Debug)]
pub struct ChainSettings {
    /// The timeout of one request to the node.
    pub node_timeout: Duration,
    /// The time limit of one `settle` request. A transaction that is not mined by then is pending.
    pub settle_timeout: Duration,
    /// The interval between two requests for a receipt.
    pub look_every: Duration,
    /// The time after which a transaction that is not mined gets higher fees. It is also the
    /// interval of the checks of the gas key's nonces.
    pub outbid_after: Duration,
    /// The number of blocks, including its own, after which a transaction counts as mined.
    pub confirmations: u64,
    /// The limits on the cost of a settlement.
    pub gas: GasPolicy,
}

/// The limits on the cost of a settlement. The payer's contract runs inside it, and the gas key
/// pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasPolicy {
    /// The gas limit for a transfer of an account that signs with its key.
    pub limit_ordinary: u64,
    /// The gas limit for a transfer of a contract, which checks its signature itself.
    pub limit_contract: u64,
    /// The minimum payment, in atomic units, for which its wallet is deployed (ERC-6492).
    pub min_deploy_price: u64,
    /// The maximum fee in wei per unit of gas. Nothing is sent while the chain asks for more.
    pub max_fee_per_gas: u128,
    /// The price of one coin for gas in atomic units of USDC, by which a contract's gas is compared
    /// with its payment; zero if gas is free.
    pub coin_price: u64,
}

/// The gas for the deployment of a wallet, in addition to a contract's transfer.
const DEPLOYMENT: u64 = 400_000;

impl GasPolicy {
    /// Defaults for a network.
    #[must_use]
    pub fn for_network(network: &Network) -> Self {
        Self {
            limit_ordinary: 150_000,
            limit_contract: 300_000,
            min_deploy_price: 100_000,
            max_fee_per_gas: 200_000_000_000,
            coin_price: network.coin_usd.saturating_mul(1_000_000),
        }
    }

    /// The gas limit for a transfer that also deploys its wallet.
    pub(super) fn limit_deployment(&self) -> u64 {
        self.limit_contract.saturating_add(DEPLOYMENT)
    }
}

impl ChainSettings {
    /// Defaults for a network.
    #[must_use]
    pub fn for_network(network: &Network) -> Self {
        Self {
            node_timeout: Duration::from_secs(10),
            settle_timeout: Duration::from_secs(45),
            look_every: Duration::from_millis(500),
            outbid_after: Duration::from_secs(12),
            confirmations: network.confirmations,
            gas: GasPolicy::for_network(network),
        }
    }
}
