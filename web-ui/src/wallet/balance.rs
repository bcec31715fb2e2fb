//! The USDC balance of an account, from the node that the deployment configures, or from the demo's
//! ledger where payments are simulated.

use api_types::Usdc;
use serde::Deserialize;
use serde_json::{Value, json};
use x402::network::Network;

use crate::http::{HttpRequest, RequestError, fetch};

/// The selector of `balanceOf(address)`.
const BALANCE_OF: &str = "0x70a08231";

/// The ledger that has an account's balance.
pub(crate) enum BalanceSource {
    /// A node of the network, by its RPC address.
    Node(String, &'static Network),
    /// The demo's ledger, which the lease API at this address has.
    Demo(String),
}

/// Reads the balance of an account.
///
/// # Errors
/// The request failed, or the response cannot be read.
pub(crate) async fn read(source: &BalanceSource, address: &str) -> Result<Usdc, RequestError> {
    match source {
        BalanceSource::Node(node, network) => read_from_node(node, network, address).await,
        BalanceSource::Demo(base) => read_from_demo(base, address).await,
    }
}

async fn read_from_demo(base: &str, address: &str) -> Result<Usdc, RequestError> {
    #[derive(Deserialize)]
    struct DemoBalance {
        balance: Usdc,
    }
    let url = format!("{base}/demo/balance?address={address}");
    let response = fetch::send(&HttpRequest::get(url)).await?;
    let text = fetch::text(&response).await?;
    if !response.ok() {
        return Err(RequestError::from_response(response.status(), &text));
    }
    let answer = serde_json::from_str(&text);
    let answer: DemoBalance = answer.map_err(|_| RequestError::Unreadable {
        status: response.status(),
    })?;
    Ok(answer.balance)
}

/// Calls the token's contract through a node.
async fn read_from_node(
    node: &str,
    network: &Network,
    address: &str,
) -> Result<Usdc, RequestError> {
    let digits = address.trim_start_matches("0x").to_ascii_lowercase();
    let call = json!({"to": network.usdc.address.to_string(), "data": format!("{BALANCE_OF}{digits:0>64}")});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]});
    let response = fetch::send(&HttpRequest::new("POST", node).json(body.to_string())).await?;
    let text = fetch::text(&response).await?;
    let unreadable = RequestError::Unreadable {
        status: response.status(),
    };
    let answer: Value = serde_json::from_str(&text).map_err(|_| unreadable.clone())?;
    let amount = answer["result"].as_str().and_then(parse);
    amount.ok_or(unreadable)
}

/// Reads a hexadecimal number. A balance that is larger than our type counts as its largest value.
fn parse(result: &str) -> Option<Usdc> {
    let digits = result.strip_prefix("0x")?.trim_start_matches('0');
    if digits.is_empty() {
        return Some(Usdc(0));
    }
    if digits.len() > 16 {
        return Some(Usdc(u64::MAX));
    }
    u64::from_str_radix(digits, 16).ok().map(Usdc)
}
