//! Settlements that are refused, lost, or of unknown outcome: no customer pays without getting a
//! container, or has to pay twice.

use std::time::Duration;

use proxmox_api::store::PaymentState;
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::{Buyer, Signed},
    support::{TestApp, until},
};

async fn signed(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30});
    buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
}

async fn container_is_gone(app: &TestApp) {
    until("no container to be left", async || {
        app.sim.containers().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_settlement_charges_nothing_and_leaves_nothing() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    app.faults
        .on_settle([SettleFault::Refuse("insufficient_funds".into())]);
    let refused = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(refused.status, 402, "{:?}", refused.body);
    let receipt = refused.receipt().unwrap();
    assert_eq!(receipt["success"], false);
    assert_eq!(receipt["errorReason"], "insufficient_funds");
    assert_eq!(app.balance(buyer.wallet()).await, before);
    container_is_gone(&app).await;
    // The customer can lease again.
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    assert_eq!(
        leased.body["ctid"], 40201,
        "a number that was just freed rests"
    );
}

#[tokio::test]
async fn a_lost_answer_is_held_and_delivered_without_another_charge() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let signed = signed(&app, &buyer)
        .await
        .with_key("an-answer-that-is-lost");
    app.faults.on_settle([SettleFault::LoseAnswer]);
    let held = signed.send(&app).await;
    assert_eq!(held.status, 202, "{:?}", held.body);
    assert!(held.body.get("password").is_none());
    let done = until("the payment to be found settled", async || {
        let again = signed.send(&app).await;
        (again.status == 200).then_some(again)
    })
    .await;
    let price: u64 = done.body["price"]["total"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(app.balance(buyer.wallet()).await, before - price);
    assert_eq!(app.sim.containers().len(), 1);
    assert_eq!(app.sim.containers()[0].status, "running");
}

#[tokio::test]
async fn a_lost_request_is_sent_again_as_it_was() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = signed(&app, &buyer)
        .await
        .with_key("an-answer-that-is-lost");
    app.faults
        .on_settle([SettleFault::LoseRequest, SettleFault::LoseRequest]);
    assert_eq!(signed.send(&app).await.status, 202);
    until("the payment to be settled", async || {
        (signed.send(&app).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(app.sim.containers().len(), 1);
    assert_eq!(app.faults.settlements_asked(), 3);
}

#[tokio::test]
async fn a_payment_that_never_moved_is_undone_once_it_cannot_move_any_more() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let signed = signed(&app, &buyer).await;
    app.faults.on_settle([SettleFault::LoseRequest]);
    app.faults
        .on_settle(vec![SettleFault::Refuse("insufficient_funds".into()); 10]);
    assert_eq!(signed.send(&app).await.status, 202);
    // A refusal after a lost request proves nothing while the signature is valid.
    until("the facilitator to be asked again", async || {
        (app.faults.settlements_asked() >= 2).then_some(())
    })
    .await;
    assert_eq!(app.sim.containers().len(), 1, "held as long as it may move");
    app.clock.advance(Duration::from_secs(500));
    container_is_gone(&app).await;
    assert_eq!(app.balance(buyer.wallet()).await, before);
    let again = signed.send(&app).await;
    assert_eq!(again.status, 402, "{:?}", again.body);
}

#[tokio::test]
async fn a_facilitator_that_is_away_makes_nothing_and_the_same_payment_works_later() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = signed(&app, &buyer).await;
    app.faults.set_away(true);
    let failed = signed.send(&app).await;
    assert_eq!(
        (failed.status.as_u16(), failed.code()),
        (503, "facilitator_unavailable")
    );
    assert!(failed.headers.contains_key("retry-after"));
    assert!(app.sim.containers().is_empty());
    app.faults.set_away(false);
    assert_eq!(signed.send(&app).await.status, 200);
}

#[tokio::test]
async fn a_facilitator_that_cannot_settle_makes_nothing_and_is_not_ready() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = signed(&app, &buyer).await;
    let ready = async || {
        let answer = reqwest::get(format!("{}/ready", app.url)).await.unwrap();
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await.unwrap();
        let checks = body["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "facilitator");
        (status, check.unwrap()["message"].clone())
    };
    assert_eq!(ready().await, (200, json!("settles on Base Sepolia")));
    app.faults.set_not_ready(Some("the gas key has too little"));
    let said = json!("cannot settle: the gas key has too little");
    // A readiness report is cached for some seconds.
    until("the next report", async || {
        (ready().await == (503, said.clone())).then_some(())
    })
    .await;
    let failed = signed.send(&app).await;
    assert_eq!(
        (failed.status.as_u16(), failed.code()),
        (503, "facilitator_unavailable")
    );
    assert!(app.sim.containers().is_empty());
    assert_eq!(app.faults.settlements_asked(), 0);
    app.faults.set_not_ready(None);
    assert_eq!(signed.send(&app).await.status, 200);
}

#[tokio::test]
async fn a_settlement_that_was_surely_not_sent_is_given_back_and_the_same_payment_works_later() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let signed = signed(&app, &buyer).await;
    app.faults.on_settle([SettleFault::Unsent("no gas".into())]);
    let failed = signed.send(&app).await;
    assert_eq!(
        (failed.status.as_u16(), failed.code()),
        (503, "facilitator_unavailable")
    );
    assert!(failed.headers.contains_key("retry-after"));
    container_is_gone(&app).await;
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(signed.send(&app).await.status, 200);
}

#[tokio::test]
async fn a_paid_call_that_could_not_be_delivered_stays_good() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    let ctid = &leased.body["ctid"];
    let path = format!("/lease/{ctid}/renew");
    app.sim
        .kill_container(u32::try_from(ctid.as_u64().unwrap()).unwrap());
    let body = json!({"runtimeMinutes": 30});
    let renewal = buyer.sign(&app, Method::POST, &path, Some(body)).await;
    let renewal = renewal.with_key("a-renewal-of-this-customer");
    let before = app.balance(buyer.wallet()).await;
    // Proxmox goes offline while the payment is being settled.
    app.faults.set_delay(Duration::from_millis(500));
    let wallet = buyer.wallet().into();
    let outage = async {
        until("the settlement to be asked for", async || {
            let rows = app
                .app
                .store
                .payments_by_payer(&wallet, None, 9)
                .await
                .unwrap();
            let settling = rows.iter().any(|row| row.state == PaymentState::Settling);
            settling.then_some(())
        })
        .await;
        let unreachable = Fault::always(Operation::Any, FaultKind::Unreachable595);
        app.sim.faults().inject(unreachable);
    };
    let (failed, ()) = tokio::join!(renewal.send(&app), outage);
    assert!(matches!(failed.status.as_u16(), 502 | 503), "{failed:?}");
    let charged = before - app.balance(buyer.wallet()).await;
    assert!(charged > 0);

    app.faults.set_delay(Duration::ZERO);
    app.sim.faults().clear();
    // Past the window of the payment, within the time of the lease.
    app.clock.advance(Duration::from_secs(10 * 60));
    let done = until("the renewal to be delivered", async || {
        let again = renewal.send(&app).await;
        (again.status == 200).then_some(again)
    })
    .await;
    let price = &done.body["price"]["total"];
    assert_eq!(price.as_str().unwrap(), charged.to_string());
    assert_eq!(done.receipt().unwrap()["success"], true);
    assert_eq!(app.balance(buyer.wallet()).await, before - charged);
}

/// Another replica or an operator has recorded that the money moved, while this replica was told
/// that it did not.
#[tokio::test]
async fn a_refusal_that_comes_after_the_money_was_seen_takes_no_machine_away() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = signed(&app, &buyer)
        .await
        .with_key("a-key-of-this-customer");
    app.faults
        .on_settle([SettleFault::Refuse("insufficient_funds".into())]);
    app.faults.set_delay(Duration::from_millis(500));
    let wallet = buyer.wallet().into();
    let store = &app.app.store;
    let seen = async {
        let row = until("the settlement to be asked for", async || {
            let rows = store.payments_by_payer(&wallet, None, 9).await.unwrap();
            let row = rows.into_iter().next()?;
            (row.state == PaymentState::Settling).then_some(row)
        })
        .await;
        let (id, hash) = (row.payment_id, "ab".repeat(32));
        app.rewrite(&format!(
            "UPDATE payments SET state = 'settled', transaction_hash = '0x{hash}' WHERE payment_id = '{id}'"
        ));
    };
    let (told, ()) = tokio::join!(signed.send(&app), seen);
    assert_ne!(told.status, 402, "{:?}", told.body);
    let done = until("the lease to be delivered", async || {
        let again = signed.send(&app).await;
        (again.code() != "payment_in_progress").then_some(again)
    })
    .await;
    assert_eq!(done.status, 200, "{:?}", done.body);
    assert_eq!(app.sim.containers().len(), 1);
}

#[tokio::test]
async fn a_settlement_that_cannot_be_stored_is_told_with_its_transaction_and_delivered_later() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = signed(&app, &buyer)
        .await
        .with_key("a-key-of-this-customer");
    app.refuses_to_store("settled");
    let broken = signed.send(&app).await;
    assert_eq!(broken.status, 503, "{:?}", broken.body);
    let told = broken.receipt().unwrap()["transaction"].clone();
    assert!(
        told.as_str().is_some_and(|hash| hash.starts_with("0x")),
        "{told}"
    );
    app.stores_all_states();
    let done = until("the lease to be delivered", async || {
        let again = signed.send(&app).await;
        (again.status == 200).then_some(again)
    })
    .await;
    assert_eq!(done.receipt().unwrap()["transaction"], told);
    assert_eq!(app.sim.containers().len(), 1);
}
