//! The description of a network, for a wallet that does not know it yet (EIP-3085).

use serde_json::{Value, json};
use x402::network::Network;

/// RPC addresses of public nodes, for wallets only. The page itself asks only the node that the
/// deployment configures.
const PUBLIC_NODES: [(u64, &str); 10] = [
    (84532, "https://sepolia.base.org"),
    (8453, "https://mainnet.base.org"),
    (43113, "https://api.avax-test.network/ext/bc/C/rpc"),
    (43114, "https://api.avax.network/ext/bc/C/rpc"),
    (1, "https://ethereum-rpc.publicnode.com"),
    (10, "https://mainnet.optimism.io"),
    (137, "https://polygon-rpc.com"),
    (42161, "https://arb1.arbitrum.io/rpc"),
    (421614, "https://sepolia-rollup.arbitrum.io/rpc"),
    (11155111, "https://ethereum-sepolia-rpc.publicnode.com"),
];

/// A chain's id as wallets read it.
pub fn hexadecimal(chain_id: u64) -> String {
    format!("{chain_id:#x}")
}

/// The argument of `wallet_addEthereumChain`.
pub fn parameters(network: &Network, configured_node: Option<&str>) -> Value {
    let known = PUBLIC_NODES.iter().find(|(id, _)| *id == network.chain_id);
    let node = configured_node.or(known.map(|(_, node)| *node));
    let (name, symbol) = match network.chain_id {
        43113 | 43114 => ("Avalanche", "AVAX"),
        137 => ("POL", "POL"),
        _ => ("Ether", "ETH"),
    };
    json!({
        "chainId": hexadecimal(network.chain_id),
        "chainName": network.display_name,
        "nativeCurrency": {"name": name, "symbol": symbol, "decimals": 18},
        "rpcUrls": node.into_iter().collect::<Vec<_>>(),
        "blockExplorerUrls": [network.explorer],
    })
}

#[cfg(test)]
mod tests {
    use x402::network::NETWORKS;

    use super::*;

    #[test]
    fn every_network_can_be_added_to_a_wallet() {
        for network in NETWORKS {
            let parameters = parameters(network, None);
            assert!(
                parameters["rpcUrls"][0]
                    .as_str()
                    .is_some_and(|url| url.starts_with("https://")),
                "{}",
                network.display_name
            );
        }
    }

    #[test]
    fn the_deployments_own_node_comes_first() {
        let network = Network::by_name("base-sepolia").unwrap();
        let parameters = parameters(network, Some("https://node.example.org"));
        assert_eq!(parameters["rpcUrls"], json!(["https://node.example.org"]));
        assert_eq!(parameters["chainId"], "0x14a34");
    }
}
