//! Leases a container, shows what the wallet has leased, and runs a command inside: `cargo run -p
//! proxmox-api --example lease`.
//!
//! `BASE_URL` is the lease API, `PAYER_KEY` the private key that pays.

use std::env;

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, redirect};
use serde_json::{Value, json};
use x402::client::PayingClient;

/// A PUBLIC DEVELOPMENT KEY (account 6 of `test test … junk`), for play money only. Never send it
/// anything of value.
const PUBLIC_DEVELOPMENT_KEY: &str =
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e";

#[tokio::main]
async fn main() -> Result<()> {
    let base = env::var("BASE_URL").unwrap_or_else(|_| "http://127.0.0.1:4021".into());
    let key = env::var("PAYER_KEY").unwrap_or_else(|_| PUBLIC_DEVELOPMENT_KEY.into());
    let signer: PrivateKeySigner = key.parse().ok().context("PAYER_KEY is no private key")?;

    service::crypto::install_ring_provider();
    // A payment is for the server that asked for it: no redirects.
    let http = Client::builder()
        .redirect(redirect::Policy::none())
        .build()?;
    let api = Api {
        client: PayingClient::builder(http.clone(), signer)
            .networks(["base-sepolia"])
            .max_price(100_000) // $0.10 a call
            .build(),
        http,
        base,
    };

    // Play money, where payments are simulated; elsewhere this route does not exist.
    let faucet = json!({ "address": api.client.address().to_string() });
    let url = format!("{}/demo/faucet", api.base);
    let filled = api.http.post(url).body(faucet.to_string()).send().await;
    filled.context("nothing answers there: start it with `cargo xtask up`")?;

    let wanted = json!({ "sku": "small", "runtimeMinutes": 30, "hostname": "from-rust" });
    let lease = api
        .call(Method::POST, "/lease/container", Some(wanted))
        .await?;
    println!(
        "leased {}: container {}, until {}",
        text(&lease["hostname"]),
        lease["ctid"],
        text(&lease["expiresAt"])
    );
    // lease["password"] is root's, and is shown this once.

    let listed = api.call(Method::GET, "/management/list", None).await?;
    for known in listed["leases"].as_array().into_iter().flatten() {
        let (hostname, status) = (text(&known["hostname"]), text(&known["status"]));
        println!("{}  {hostname}  {status}", known["ctid"]);
    }

    let path = format!("/management/exec/{}", lease["ctid"]);
    let command = json!({ "command": "echo hello from $(hostname)" });
    let ran = api.call(Method::POST, &path, Some(command)).await?;
    println!("exit code {}: {}", ran["exitCode"], text(&ran["stdout"]));
    Ok(())
}

struct Api {
    client: PayingClient,
    http: Client,
    base: String,
}

impl Api {
    /// Calls, pays where that is asked for, and reads the answer. The client sends an
    /// `Idempotency-Key`, and the same signature again should an answer get lost.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = self.client.send(request).await?;
        if let (Some(paid), Some(receipt)) = (answer.paid, &answer.receipt) {
            let transaction = &receipt.transaction;
            eprintln!("paid {paid} atomic USDC, transaction {transaction}");
        }
        let status = answer.response.status();
        let text = answer.response.text().await?;
        ensure!(status.is_success(), "{path} answers {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default().trim()
}
