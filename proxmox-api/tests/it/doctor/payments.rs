//! Payees, facilitators, nodes of the chain, and gas.

use axum::{
    Json, Router,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{Installation, error, warning};

const OWN: (&str, &str) = ("ADDRESS", "0x1111111111111111111111111111111111111111");
/// Public development key 0: no secret.
const GAS_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// A facilitator that settles on one network.
pub(super) async fn facilitator_for(network: &'static str) -> String {
    let supported = json!({"kinds": [{"x402Version": 2, "scheme": "exact", "network": network}]});
    serve(Router::new().route("/supported", get(async move || Json(supported)))).await
}

/// A transfer to `ADDRESS` that no store knows.
fn transfer() -> Value {
    let word = |digits: &str| format!("0x{digits:0>64}");
    json!({
        "address": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
        "topics": [word("1"), word("2"), word("3")],
        "data": word("22c4"),
        "transactionHash": word("feed"),
        "blockNumber": "0x1",
        "blockHash": word("b"),
        "logIndex": "0x0",
    })
}

/// A chain's node: its id, whether the token exists, and the gas balance of every account.
pub(super) async fn node(chain: u64, token: bool, balance: u64) -> String {
    let answer = async move |Json(question): Json<Value>| {
        let result = match question["method"].as_str().unwrap() {
            "eth_chainId" => json!(format!("{chain:#x}")),
            "eth_getCode" => json!(if token { "0x6001" } else { "0x" }),
            "eth_getBalance" => json!(format!("{balance:#x}")),
            "eth_maxPriorityFeePerGas" => json!("0x0"),
            "eth_getBlockByNumber" => {
                json!({"number": "0x1", "timestamp": "0x1", "baseFeePerGas": "0x5"})
            }
            "eth_getLogs" => json!([transfer()]),
            other => panic!("{other}"),
        };
        Json(json!({"jsonrpc": "2.0", "id": 1, "result": result}))
    };
    serve(Router::new().route("/", post(answer))).await
}

#[tokio::test]
async fn a_facilitator_that_is_away_or_settles_elsewhere_is_named() {
    let installation = Installation::start().await;
    let node = node(84532, true, 0).await;
    let rpc = ("RPC_URL", node.as_str());
    let away = [OWN, rpc, ("FACILITATOR", "http://127.0.0.1:9")];
    let finding = installation.only(&away).await;
    error(&finding, "payments.facilitator", "did not answer");

    let elsewhere = facilitator_for("eip155:43113").await;
    let finding = installation
        .only(&[OWN, rpc, ("FACILITATOR", &elsewhere)])
        .await;
    let found = "it settles on eip155:43113";
    error(&finding, "payments.facilitator", found);
    assert_eq!(finding.mend.last().unwrap(), "NETWORK=eip155:43113");

    let here = facilitator_for("eip155:84532").await;
    let variables = [OWN, rpc, ("FACILITATOR", &here)];
    installation.is_fine(&variables).await;
}

#[tokio::test]
async fn a_facilitator_without_a_node_to_ask_is_found_and_a_public_one_suggested() {
    let installation = Installation::start().await;
    for (network, node) in [
        ("eip155:84532", "RPC_URL=https://sepolia.base.org "),
        ("eip155:8453", "RPC_URL=https://mainnet.base.org "),
    ] {
        let here = facilitator_for(network).await;
        let variables = [OWN, ("FACILITATOR", here.as_str()), ("NETWORK", network)];
        let finding = installation.only(&variables).await;
        warning(&finding, "payments.chain", "stays unresolved");
        assert!(finding.mend[0].starts_with(node), "{finding:#?}");
    }
}

#[tokio::test]
async fn a_transfer_that_the_store_does_not_know_is_found() {
    let installation = Installation::start().await;
    let here = facilitator_for("eip155:84532").await;
    let node = node(84532, true, 0).await;
    let file = installation.folder.path().join("leases.sqlite");
    drop(proxmox_api::store::Store::open(&file).unwrap());
    let file = file.display().to_string();
    let variables = [
        OWN,
        ("FACILITATOR", here.as_str()),
        ("RPC_URL", &node),
        ("DATABASE", &file),
    ];
    let finding = installation.only(&variables).await;
    warning(&finding, "payments.transfers", "1 of 1 in the last");
    assert!(finding.found.contains("feed"), "{finding:#?}");
    // Play money moves on no chain.
    let demo = [("RPC_URL", node.as_str()), ("DATABASE", &file)];
    installation.is_fine(&demo).await;
}

#[tokio::test]
async fn a_payee_whose_key_everybody_knows_is_an_error_where_money_is_real() {
    let installation = Installation::start().await;
    let test = facilitator_for("eip155:84532").await;
    let node = node(84532, true, 0).await;
    let variables = [("FACILITATOR", test.as_str()), ("RPC_URL", &node)];
    let finding = installation.only(&variables).await;
    warning(&finding, "payments.payee", "everybody knows");
    let real = facilitator_for("eip155:8453").await;
    let real = [("FACILITATOR", real.as_str()), ("NETWORK", "base")];
    let finding = installation.of("payments.payee", &real).await;
    error(&finding, "payments.payee", "everybody knows");
}

#[tokio::test]
async fn play_money_for_real_machines_is_a_warning() {
    let installation = Installation::start().await;
    let finding = installation
        .only(&[("PVE_SIMULATED", "false"), ("PVE_BRIDGE", "none")])
        .await;
    warning(&finding, "payments.facilitator", "play money");
}

#[tokio::test]
async fn a_node_has_to_be_on_its_chain() {
    let installation = Installation::start().await;
    let facilitator = facilitator_for("eip155:8453").await;
    let real = [OWN, ("FACILITATOR", &facilitator), ("NETWORK", "base")];
    let finding = installation.only(&real).await;
    warning(&finding, "payments.chain", "there is no RPC_URL");

    for (node, found) in [
        (
            node(1, true, 0).await,
            "is on chain 1, the network is chain 8453",
        ),
        (node(8453, false, 0).await, "there is no contract"),
        ("http://127.0.0.1:9/?key=hush".to_owned(), "did not answer"),
    ] {
        let [own, facilitator, network] = real;
        let variables = [own, facilitator, network, ("RPC_URL", &node)];
        let finding = installation.only(&variables).await;
        error(&finding, "payments.chain", found);
        assert!(!format!("{finding:?}").contains("hush"));
    }
    let good = node(8453, true, 0).await;
    let [own, facilitator, network] = real;
    let variables = [own, facilitator, network, ("RPC_URL", &good)];
    installation.is_fine(&variables).await;
}

#[tokio::test]
async fn a_gas_key_that_has_nothing_or_little_is_found() {
    let installation = Installation::start().await;
    // At 10 wei for each unit of gas, a settlement costs a million.
    for (balance, verdict) in [(0, "it has nothing"), (5_000_000, "about 5 settlements")] {
        let node = node(84532, true, balance).await;
        let variables = [
            OWN,
            ("FACILITATOR", "onchain"),
            ("GAS_KEY", GAS_KEY),
            ("RPC_URL", &node),
        ];
        let finding = installation.only(&variables).await;
        assert_eq!(finding.check, "payments.gas");
        assert!(finding.found.contains(verdict), "{finding:#?}");
        assert!(finding.mend[0].contains("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    }
    let rich = node(84532, true, 1_000_000_000).await;
    let variables = [
        OWN,
        ("FACILITATOR", "onchain"),
        ("GAS_KEY", GAS_KEY),
        ("RPC_URL", &rich),
    ];
    installation.is_fine(&variables).await;
}
