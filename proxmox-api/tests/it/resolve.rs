//! Payments that an operator settles, and settlements that the chain does not confirm.

use std::time::Duration;

use serde_json::{Value, json};
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::Buyer,
    outcome::a_lease,
    support::{TestApp, until},
};

/// The command line beside the running service, as an operator uses it.
async fn payments(app: &TestApp, line: &str) -> Result<String, String> {
    use proxmox_api::{arguments, commands::payments::perform};
    let words = ["proxmox-api", "payments"]
        .into_iter()
        .chain(line.split_whitespace());
    let Ok(Some(arguments::Command::Payments(command))) = arguments::read(words.map(Into::into))
    else {
        panic!("`payments {line}` is not read");
    };
    perform(
        &app.app.config.database,
        std::sync::Arc::new(app.clock.clone()),
        command,
    )
    .await
}

#[tokio::test]
async fn an_operator_sees_and_settles_what_is_open() {
    let app = TestApp::start().await;
    app.faults.set_real(true);
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    let state = async |state: &str, number: usize| {
        until("the payment's state to be shown", async || {
            let payments = session.get(&app, "/payments").await.body["payments"].clone();
            (payments[number]["state"] == state)
                .then(|| payments[number]["paymentId"].as_str().unwrap().to_owned())
        })
        .await
    };
    assert!(payments(&app, "due").await.unwrap().contains("0.0000 USDC"));
    app.faults.on_settle(vec![SettleFault::LoseRequest; 40]);
    for _ in 0..2 {
        let held = a_lease(&app, &buyer).await.send(&app).await;
        assert_eq!(held.status, 202, "{:?}", held.body);
    }
    app.clock.advance(Duration::from_secs(15 * 60));
    let (moved, never) = (state("unresolved", 0).await, state("unresolved", 1).await);
    let due = payments(&app, "due").await.unwrap();
    assert!(due.contains(&moved) && due.contains(&never), "{due}");
    let shown = payments(&app, &format!("show {moved}")).await.unwrap();
    assert!(
        shown.contains("unresolved") && shown.contains("no_chain_to_ask"),
        "{shown}"
    );
    assert!(!shown.contains("signature"), "{shown}");

    let done = payments(
        &app,
        &format!("resolve {never} --reason never-on-chain --not-moved"),
    )
    .await;
    assert!(done.unwrap().contains("moved no money"));
    state("refused", 1).await;
    let hash = format!("0x{}", "ab".repeat(32));
    let line = format!("resolve {moved} --reason seen --transaction {hash}");
    assert!(payments(&app, &line).await.unwrap().contains("moved money"));
    assert!(payments(&app, &line).await.is_err(), "once");
    let other = format!("resolve {never} --reason seen --transaction {hash}");
    assert!(
        payments(&app, &other).await.is_err(),
        "it paid for another one"
    );
    app.clock.advance(Duration::from_secs(3 * 60));
    until("the machine that was held to be delivered", async || {
        let leases = session.get(&app, "/leases").await.body["leases"].clone();
        (leases[0]["status"] == "active").then_some(())
    })
    .await;
    until("the machine that was not paid for to be gone", async || {
        (app.sim.containers().len() == 1).then_some(())
    })
    .await;
    let events = app.app.store.events(&moved, 0, 99).await.unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.kind == "resolved_by_operator")
    );
}

/// A node whose chain has no transfer: every authorization is unspent in its latest block.
async fn node_without_transfers() -> String {
    use axum::{Json, Router, routing::post};
    let answer = async |Json(ask): Json<Value>| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let result = match ask["method"].as_str().unwrap() {
            "eth_getBlockByNumber" => {
                json!({"number": "0x10", "timestamp": format!("{now:#x}"), "baseFeePerGas": "0x1"})
            }
            "eth_call" => json!(format!("0x{}", "00".repeat(32))),
            other => panic!("unexpected method {other}"),
        };
        Json(json!({"jsonrpc": "2.0", "id": 1, "result": result}))
    };
    let router = Router::new().route("/", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_settlement_that_was_only_reported_is_looked_for_on_the_chain() {
    let node = node_without_transfers().await;
    let app = TestApp::with(&[("RPC_URL", &node)]).await;
    app.faults.set_real(true);
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    let leased = a_lease(&app, &buyer).await.send(&app).await;
    assert_eq!(
        leased.status, 200,
        "a reported settlement is believed at first"
    );
    let payments = session.get(&app, "/payments").await.body;
    let id = payments["payments"][0]["paymentId"]
        .as_str()
        .unwrap()
        .to_owned();
    let noticed = async || {
        let events = app.app.store.events(&id, 0, 99).await.unwrap();
        let found = events
            .into_iter()
            .find(|event| event.kind == "payment_without_transfer");
        found.map(|event| event.data)
    };
    app.clock.advance(Duration::from_secs(10 * 60));
    proxmox_api::operations::sweep::sweep(&app.app)
        .await
        .unwrap();
    assert_eq!(noticed().await, None, "a node may lag");
    app.clock.advance(Duration::from_secs(60 * 60));
    // The test does not wait for the minutes between two sweeps.
    let data = until("the missing transfer to be noticed", async || {
        proxmox_api::operations::sweep::sweep(&app.app)
            .await
            .unwrap();
        noticed().await
    })
    .await;
    assert!(data.contains("unspent"), "{data}");
}
