//! Signs the payment that the agent asks for, from the command line: reads an answer of `POST
//! /chat` on standard input and prints the body that goes on with it: `curl … | sign | curl …
//! --json @-`. Signs with `PAYER_KEY`, or with a public development key.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use x402::{
    eip3009,
    purchase::{Challenge, SpendingLimits},
};

/// Account 3 of the public development mnemonic (`test test … junk`): it must never hold real
/// money.
const PUBLIC_DEVELOPMENT_KEY: &str =
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";
/// The most that is signed for, in atomic USDC.
const MAX_AMOUNT: u64 = 1_000_000;

fn main() -> Result<()> {
    let answer: Value =
        serde_json::from_reader(std::io::stdin()).context("the input is no answer of the agent")?;
    let request = answer
        .get("payment_request")
        .context("the answer asks for no payment")?;
    let key = std::env::var("PAYER_KEY").unwrap_or_else(|_| PUBLIC_DEVELOPMENT_KEY.to_owned());
    // The error would quote the key.
    let signer: PrivateKeySigner = key.parse().ok().context("PAYER_KEY is no private key")?;
    let header = request["payment_required"].as_str();
    let challenge = Challenge::from_response(header, request.to_string().as_bytes())?;
    let chosen = challenge.choose(&SpendingLimits {
        max_amount: MAX_AMOUNT,
        networks: &["base-sepolia", "base"],
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let message = chosen.authorization(signer.address(), now, eip3009::random_nonce());
    let signature = eip3009::sign(&signer, chosen.network, &chosen.network.usdc, &message)?;
    let (name, value) = chosen.payment(message, signature, None).to_header();
    let body = json!({ "pending": answer["pending"], "payment_headers": { name: value } });
    println!("{body}");
    Ok(())
}
