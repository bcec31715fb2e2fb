//! Calls the lease API from the command line and pays for the call: `pay POST /lease/container
//! '{"runtimeMinutes":60}'`.
//!
//! The payer is `PAYER_KEY`, or a public development key with play money of the demo ledger.
//! `BASE_URL` (or `PORT`) is the API's address, `MAX_PRICE` the most that one call may cost, in
//! atomic USDC. The answer is written to standard output, everything else to standard error.

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result, bail};
use reqwest::{Method, StatusCode, redirect};
use x402::client::PayingClient;

/// Account 3 of the public development mnemonic (`test test … junk`): it must never hold real
/// money.
const PUBLIC_DEVELOPMENT_KEY: &str =
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (method, path, body) = match arguments.as_slice() {
        [method, path] => (method, path, None),
        [method, path, body] => (method, path, Some(body.clone())),
        _ => bail!("usage: pay METHOD PATH [JSON]"),
    };
    let method: Method = method.to_uppercase().parse().context("no HTTP method")?;
    let base = base_url();
    service::crypto::install_ring_provider();
    let http = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .context("cannot make an HTTP client")?;
    let signer = signer(&http, &base).await?;

    let mut request = http.request(method, format!("{base}{path}"));
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body);
    }
    let client = PayingClient::builder(http, signer)
        .networks(["base-sepolia", "base"])
        .max_price(max_price()?)
        .build();
    let answer = client.send(request).await?;
    let status = answer.response.status();
    if let (Some(paid), Some(receipt)) = (answer.paid, &answer.receipt) {
        let transaction = &receipt.transaction;
        eprintln!("paid {paid} atomic USDC, transaction {transaction}");
    }
    println!("{}", answer.response.text().await?);
    if status.is_client_error() || status.is_server_error() {
        bail!("the API answers {status}");
    }
    Ok(())
}

fn base_url() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let port = set("PORT").unwrap_or_else(|| "4021".to_owned());
    let base = set("BASE_URL").unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
    base.trim_end_matches('/').to_owned()
}

fn max_price() -> Result<u64> {
    match std::env::var("MAX_PRICE") {
        Ok(text) => text
            .parse()
            .context("MAX_PRICE is no number of atomic USDC"),
        Err(_) => Ok(1_000_000),
    }
}

/// The key that pays; without `PAYER_KEY`, a public one with play money of the demo ledger.
async fn signer(http: &reqwest::Client, base: &str) -> Result<PrivateKeySigner> {
    if let Ok(key) = std::env::var("PAYER_KEY") {
        return key.parse().ok().context("PAYER_KEY is no private key");
    }
    let signer: PrivateKeySigner = PUBLIC_DEVELOPMENT_KEY.parse()?;
    let body = format!(r#"{{"address":"{}"}}"#, signer.address());
    let filled = http
        .post(format!("{base}/demo/faucet"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .with_context(|| format!("nothing answers at {base}: start it with `cargo xtask up`"))?;
    if filled.status() == StatusCode::NOT_FOUND {
        eprintln!("payments are real here: set PAYER_KEY to the key of a wallet with USDC");
    }
    Ok(signer)
}
