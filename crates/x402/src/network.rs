//! The chains that a payment may be made on, with their USDC contracts.
//!
//! Version 1 of x402 names a network by a word (`base-sepolia`), version 2 by its CAIP-2 id
//! (`eip155:84532`); both names give the same [`Network`]. Contract addresses and EIP-712 names are
//! Circle's, as in the reference clients.

use alloy::primitives::{Address, address};

/// An EIP-3009 token, whose domain is part of the signed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The token contract.
    pub address: Address,
    /// EIP-712 domain name, which differs between deployments.
    pub name: &'static str,
    /// EIP-712 domain version.
    pub version: &'static str,
    /// Decimals of one unit.
    pub decimals: u8,
}

/// A chain and its USDC.
#[derive(Debug, PartialEq, Eq)]
pub struct Network {
    /// The name in version 1, if it has one.
    pub v1_name: Option<&'static str>,
    /// The CAIP-2 id, which version 2 uses.
    pub caip2: &'static str,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The name for people.
    pub display_name: &'static str,
    /// Whether it is a test network.
    pub testnet: bool,
    /// Its USDC.
    pub usdc: Asset,
    /// Base URL of a block explorer, without a trailing slash.
    pub explorer: &'static str,
    /// A public node that is suggested to operators. It is never used unless configured.
    pub public_rpc: &'static str,
    /// The default number of confirmations after which a transfer counts, including the block
    /// itself.
    pub confirmations: u64,
    /// An approximate price of one coin for gas, in US dollars, rounded up; zero on a test network.
    pub coin_usd: u64,
}

const fn usdc(address: Address, name: &'static str) -> Asset {
    Asset {
        address,
        name,
        version: "2",
        decimals: 6,
    }
}

/// All networks that this crate supports.
pub static NETWORKS: &[Network] = &[
    Network {
        v1_name: Some("base-sepolia"),
        caip2: "eip155:84532",
        chain_id: 84532,
        display_name: "Base Sepolia",
        testnet: true,
        usdc: usdc(address!("036CbD53842c5426634e7929541eC2318f3dCF7e"), "USDC"),
        explorer: "https://sepolia.basescan.org",
        public_rpc: "https://sepolia.base.org",
        confirmations: 1,
        coin_usd: 0,
    },
    Network {
        v1_name: Some("base"),
        caip2: "eip155:8453",
        chain_id: 8453,
        display_name: "Base",
        testnet: false,
        usdc: usdc(
            address!("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
            "USD Coin",
        ),
        explorer: "https://basescan.org",
        public_rpc: "https://mainnet.base.org",
        confirmations: 1,
        coin_usd: 5_000,
    },
    Network {
        v1_name: Some("avalanche-fuji"),
        caip2: "eip155:43113",
        chain_id: 43113,
        display_name: "Avalanche Fuji",
        testnet: true,
        usdc: usdc(
            address!("5425890298aed601595a70AB815c96711a31Bc65"),
            "USD Coin",
        ),
        explorer: "https://testnet.snowtrace.io",
        public_rpc: "https://api.avax-test.network/ext/bc/C/rpc",
        confirmations: 1,
        coin_usd: 0,
    },
    Network {
        v1_name: Some("avalanche"),
        caip2: "eip155:43114",
        chain_id: 43114,
        display_name: "Avalanche C-Chain",
        testnet: false,
        usdc: usdc(
            address!("B97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E"),
            "USD Coin",
        ),
        explorer: "https://snowtrace.io",
        public_rpc: "https://api.avax.network/ext/bc/C/rpc",
        confirmations: 1,
        coin_usd: 50,
    },
    // The networks below are not in version 1's closed lists.
    Network {
        v1_name: None,
        caip2: "eip155:1",
        chain_id: 1,
        display_name: "Ethereum",
        testnet: false,
        usdc: usdc(
            address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"),
            "USD Coin",
        ),
        explorer: "https://etherscan.io",
        public_rpc: "https://ethereum-rpc.publicnode.com",
        confirmations: 2,
        coin_usd: 5_000,
    },
    Network {
        v1_name: None,
        caip2: "eip155:10",
        chain_id: 10,
        display_name: "OP Mainnet",
        testnet: false,
        usdc: usdc(
            address!("0b2C639c533813f4Aa9D7837CAf62653d097Ff85"),
            "USD Coin",
        ),
        explorer: "https://optimistic.etherscan.io",
        public_rpc: "https://mainnet.optimism.io",
        confirmations: 1,
        coin_usd: 5_000,
    },
    Network {
        v1_name: None,
        caip2: "eip155:137",
        chain_id: 137,
        display_name: "Polygon",
        testnet: false,
        usdc: usdc(
            address!("3c499c542cEF5E3811e1192ce70d8cC03d5c3359"),
            "USD Coin",
        ),
        explorer: "https://polygonscan.com",
        public_rpc: "https://polygon-bor-rpc.publicnode.com",
        confirmations: 3,
        coin_usd: 1,
    },
    Network {
        v1_name: None,
        caip2: "eip155:42161",
        chain_id: 42161,
        display_name: "Arbitrum One",
        testnet: false,
        usdc: usdc(
            address!("af88d065e77c8cC2239327C5EDb3A432268e5831"),
            "USD Coin",
        ),
        explorer: "https://arbiscan.io",
        public_rpc: "https://arb1.arbitrum.io/rpc",
        confirmations: 1,
        coin_usd: 5_000,
    },
    Network {
        v1_name: None,
        caip2: "eip155:421614",
        chain_id: 421614,
        display_name: "Arbitrum Sepolia",
        testnet: true,
        usdc: usdc(
            address!("75faf114eafb1BDbe2F0316DF893fd58CE46AA4d"),
            "USD Coin",
        ),
        explorer: "https://sepolia.arbiscan.io",
        public_rpc: "https://sepolia-rollup.arbitrum.io/rpc",
        confirmations: 1,
        coin_usd: 0,
    },
    Network {
        v1_name: None,
        caip2: "eip155:11155111",
        chain_id: 11155111,
        display_name: "Ethereum Sepolia",
        testnet: true,
        usdc: usdc(address!("1c7D4B196Cb0C7B01d743Fbc6116a902379C7238"), "USDC"),
        explorer: "https://sepolia.etherscan.io",
        public_rpc: "https://ethereum-sepolia-rpc.publicnode.com",
        confirmations: 2,
        coin_usd: 0,
    },
];

impl Network {
    /// Finds a network by either name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Network> {
        NETWORKS
            .iter()
            .find(|n| n.caip2 == name || n.v1_name == Some(name))
    }

    /// Whether version 1 clients accept the network. Their lists are closed, and one unknown entry
    /// makes them refuse the whole challenge.
    #[must_use]
    pub fn v1_listed(&self) -> bool {
        self.v1_name.is_some()
    }

    /// The URL of a transaction in the block explorer.
    #[must_use]
    pub fn explorer_tx(&self, transaction: &str) -> String {
        format!("{}/tx/{transaction}", self.explorer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_give_the_same_network() {
        for network in NETWORKS {
            assert_eq!(Network::by_name(network.caip2), Some(network));
            if let Some(name) = network.v1_name {
                assert_eq!(Network::by_name(name), Some(network));
            }
            assert_eq!(network.caip2, format!("eip155:{}", network.chain_id));
        }
        assert_eq!(Network::by_name("dogecoin"), None);
    }

    #[test]
    fn v1_clients_are_offered_only_what_all_of_them_list() {
        let listed = NETWORKS.iter().filter(|n| n.v1_listed());
        let names: Vec<_> = listed.filter_map(|n| n.v1_name).collect();
        assert_eq!(
            names,
            ["base-sepolia", "base", "avalanche-fuji", "avalanche"]
        );
    }
}
