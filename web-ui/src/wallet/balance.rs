//! How much USDC an account has, asked of the node that the deployment configures, or of the demo's ledger where payments are
//! simulated.

use api_types::Usdc;
use serde::Deserialize;
use serde_json::{Value, json};
use x402::network::Network;

use crate::api::{
    ApiError,
    fetch::{self, Call},
};

/// The selector of `balanceOf(address)`.
const BALANCE_OF: &str = "0x70a08231";

/// Who knows a balance.
pub(super) enum Ledger {
    /// A node of the network.
    Node(String, &'static Network),
    /// The lease API, whose ledger the demo's money is on.
    Demo(String),
}

/// Asks who knows.
///
/// # Errors
/// Nobody answers, or not in their words.
pub(super) async fn of(ledger: &Ledger, address: &str) -> Result<Usdc, ApiError> {
    match ledger {
        Ledger::Node(node, network) => ask(node, network, address).await,
        Ledger::Demo(base) => ask_demo(base, address).await,
    }
}

async fn ask_demo(base: &str, address: &str) -> Result<Usdc, ApiError> {
    #[derive(Deserialize)]
    struct Answer {
        balance: Usdc,
    }
    let url = format!("{base}/demo/balance?address={address}");
    let response = fetch::send(&Call::get(url)).await?;
    let text = fetch::text(&response).await?;
    if !response.ok() {
        return Err(ApiError::from_answer(response.status(), &text));
    }
    let answer = serde_json::from_str(&text);
    let answer: Answer = answer.map_err(|_| ApiError::Unreadable {
        status: response.status(),
    })?;
    Ok(answer.balance)
}

/// Asks a node.
///
/// # Errors
/// It does not answer, or not in its words.
async fn ask(node: &str, network: &Network, address: &str) -> Result<Usdc, ApiError> {
    let digits = address.trim_start_matches("0x").to_ascii_lowercase();
    let call = json!({"to": network.usdc.address.to_string(), "data": format!("{BALANCE_OF}{digits:0>64}")});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]});
    let response = fetch::send(&Call::new("POST", node).json(body.to_string())).await?;
    let text = fetch::text(&response).await?;
    let unreadable = ApiError::Unreadable {
        status: response.status(),
    };
    let answer: Value = serde_json::from_str(&text).map_err(|_| unreadable.clone())?;
    let amount = answer["result"].as_str().and_then(read);
    amount.ok_or(unreadable)
}

/// A balance beyond what we count in is as good as the most that we do.
fn read(result: &str) -> Option<Usdc> {
    let digits = result.strip_prefix("0x")?.trim_start_matches('0');
    if digits.is_empty() {
        return Some(Usdc(0));
    }
    if digits.len() > 16 {
        return Some(Usdc(u64::MAX));
    }
    u64::from_str_radix(digits, 16).ok().map(Usdc)
}
