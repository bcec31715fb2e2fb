//! How the facilitator deals with the chain: waiting, and what it spends on gas.

use std::time::Duration;

use crate::network::Network;

/// Waiting, confirmations and gas.
#[derive(Clone, Copy, Debug)]
pub struct ChainSettings {
    /// One question to the node.
    pub node_timeout: Duration,
    /// One call of `settle`; a transaction that is not mined by then is pending.
    pub settle_timeout: Duration,
    /// Between two looks for a receipt.
    pub look_every: Duration,
    /// A transaction that is not mined for so long gets higher fees, and the gas key's order is
    /// looked after so often.
    pub outbid_after: Duration,
    /// Blocks, its own included, after which a transaction counts as mined.
    pub confirmations: u64,
    /// What a settlement may cost.
    pub gas: GasPolicy,
}

/// What a settlement may cost. The payer's contract runs inside it, with the gas key's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasPolicy {
    /// Units of gas for the transfer of an account that signs with its key.
    pub limit_ordinary: u64,
    /// Units of gas for the transfer of a contract, which checks its signature itself.
    pub limit_contract: u64,
    /// Atomic units that a payment has to be worth for its wallet to be deployed with it (ERC-6492).
    pub min_deploy_price: u64,
    /// Wei for each unit of gas; nothing is sent while the chain wants more.
    pub max_fee_per_gas: u128,
    /// Atomic units of USDC that one coin for gas is worth, with which a contract's gas is compared
    /// with what it pays; zero where gas costs nothing.
    pub coin_price: u64,
}

/// Units of gas for deploying a wallet, beyond those for a contract's transfer.
const DEPLOYMENT: u64 = 400_000;

impl GasPolicy {
    /// What is right for a network, as far as that can be said beforehand.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        Self {
            limit_ordinary: 150_000,
            limit_contract: 300_000,
            min_deploy_price: 100_000,
            max_fee_per_gas: 200_000_000_000,
            coin_price: network.coin_usd.saturating_mul(1_000_000),
        }
    }

    /// Units of gas for a transfer with which its wallet is deployed.
    pub(super) fn limit_deployment(&self) -> u64 {
        self.limit_contract.saturating_add(DEPLOYMENT)
    }
}

impl ChainSettings {
    /// What is right for a network, as far as that can be said beforehand.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        Self {
            node_timeout: Duration::from_secs(10),
            settle_timeout: Duration::from_secs(45),
            look_every: Duration::from_millis(500),
            outbid_after: Duration::from_secs(12),
            confirmations: network.confirmations,
            gas: GasPolicy::of(network),
        }
    }
}
