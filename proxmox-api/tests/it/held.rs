//! The container of a payment with unknown outcome is stopped, later destroyed, and started when
//! the transfer is seen.

use std::time::Duration;

use proxmox_api::{
    lease::ending::expiry,
    memory::alarms::Trouble,
    store::LeaseState,
    store::{Payment, PaymentState},
};
use reqwest::Method;
use serde_json::json;
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::{Buyer, Signed},
    support::{TestApp, until},
};

/// A lease whose settlement's answer is lost, at a facilitator that is down from then on.
async fn held(app: &TestApp, buyer: &Buyer) -> (Signed, u32, String) {
    let body = json!({"runtimeMinutes": 30});
    let signed = buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
        .with_key("a-key-of-the-customer");
    // Twice: for the request, and for the check that follows it at once.
    app.faults
        .on_settle([SettleFault::LoseRequest, SettleFault::LoseRequest]);
    let answer = signed.send(app).await;
    app.faults.set_away(true);
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let ctid = u32::try_from(answer.body["ctid"].as_u64().unwrap()).unwrap();
    let lease_id = answer.body["leaseId"].as_str().unwrap().to_owned();
    (signed, ctid, lease_id)
}

async fn becomes(app: &TestApp, ctid: u32, status: &str) {
    until(status, async || {
        let found = app.sim.container(ctid)?;
        (found.status == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_held_container_is_stopped_after_two_minutes_and_started_when_the_money_is_seen() {
    let mut app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let (signed, ctid, _) = held(&app, &buyer).await;
    app.clock.advance(Duration::from_secs(110));
    // A restart does not change that.
    app.restart().await;
    let runs = app.sim.container(ctid).unwrap().status;
    assert_eq!(runs, "running", "for two minutes nothing is done to it");
    app.clock.advance(Duration::from_secs(15));
    becomes(&app, ctid, "stopped").await;
    let still = signed.send(&app).await;
    assert_eq!(still.status, 202, "{:?}", still.body);
    let stops = app.sim.request_count("POST", "/status/shutdown");
    assert_eq!(stops, 1, "once");

    app.faults.set_away(false);
    let done = until("the money to be seen", async || {
        let again = signed.send(&app).await;
        (again.status == 200).then_some(again)
    })
    .await;
    assert_eq!(app.sim.container(ctid).unwrap().status, "running");
    assert_eq!(done.body["ctid"], ctid);
    assert!(done.body["password"].is_string());
    // The paid minutes begin with the delivery.
    let lease = app
        .app
        .store
        .lease_by_vmid(ctid.try_into().unwrap())
        .await
        .unwrap()
        .unwrap();
    let left = lease.expires_at.unwrap() - app.app.now();
    assert!((29 * 60..=30 * 60).contains(&left), "{left}");
}

#[tokio::test]
async fn a_held_container_is_destroyed_a_while_after_the_window_and_its_payment_stays_open() {
    let app = TestApp::with(&[("HELD_HOURS", "1")]).await;
    // Without evidence the outcome of real money stays unknown.
    app.faults.set_real(true);
    let buyer = Buyer::funded(&app, 1).await;
    let (_, ctid, lease_id) = held(&app, &buyer).await;
    app.clock.advance(Duration::from_secs(125));
    becomes(&app, ctid, "stopped").await;
    app.clock.advance(Duration::from_secs(300 + 3000));
    expiry::tick(&app.app).await.unwrap();
    assert!(app.sim.container(ctid).is_some(), "not before its time");
    app.clock.advance(Duration::from_secs(600));
    until("the machine to be gone", async || {
        app.sim.container(ctid).is_none().then_some(())
    })
    .await;
    let lease = until("the lease to be over", async || {
        let lease = app
            .app
            .store
            .lease(&lease_id.as_str().into())
            .await
            .unwrap()?;
        (lease.state == LeaseState::Destroyed).then_some(lease)
    })
    .await;
    let payment = app.app.store.payment(&lease.payment_id).await.unwrap();
    let state = payment.unwrap().state.as_str();
    assert!(["unknown", "unresolved"].contains(&state), "{state}");
    let expected = ["claimed", "held_stopped", "held_given_up", "destroyed"];
    until("the whole trail", async || {
        let events = app.app.store.events(&lease_id, 0, 100).await.unwrap();
        events
            .iter()
            .map(|event| event.kind.as_str())
            .eq(expected)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_took_the_number_of_a_held_machine_is_left_alone() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let (_, ctid, lease_id) = held(&app, &buyer).await;
    app.sim.kill_container(ctid);
    app.sim.remove_container(ctid);
    app.sim.put_foreign_container(ctid, "accounting");
    app.clock.advance(Duration::from_secs(125));
    until("the worker to have looked", async || {
        (app.app.alarms.of(&lease_id.as_str().into()) == Some(Trouble::Hidden)).then_some(())
    })
    .await;
    assert_eq!(app.sim.container(ctid).unwrap().status, "running");
    assert_eq!(
        app.sim.request_count("POST", "/status/"),
        1,
        "its own start"
    );
}

/// The row of the customer's only payment.
async fn payment(app: &TestApp, buyer: &Buyer) -> Payment {
    let wallet = buyer.wallet().into();
    let rows = app.app.store.payments_by_payer(&wallet, None, 9).await;
    let id = rows.unwrap()[0].payment_id.clone();
    app.app.store.payment(&id).await.unwrap().unwrap()
}

/// Otherwise it would always count among the wallet's leases in the making.
#[tokio::test]
async fn a_machine_that_is_gone_when_the_money_is_seen_leaves_no_lease_behind() {
    let app = TestApp::with(&[("LEASES_IN_FLIGHT_PER_WALLET", "1")]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let (signed, ctid, lease_id) = held(&app, &buyer).await;
    app.clock.advance(Duration::from_secs(125));
    becomes(&app, ctid, "stopped").await;
    app.sim.remove_container(ctid);
    app.faults.set_away(false);
    let told = until("the payment to be owed", async || {
        let told = signed.send(&app).await;
        (told.code() == "payment_owed").then_some(told)
    })
    .await;
    assert_eq!(told.body["error"]["details"]["reason"], "lease_ended");
    app.clock.advance(Duration::from_secs(3 * 60));
    until("the lease to be over", async || {
        let lease = app
            .app
            .store
            .lease(&lease_id.as_str().into())
            .await
            .unwrap()?;
        (lease.state == LeaseState::Destroyed).then_some(())
    })
    .await;
    let another = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(another.status, 200, "{:?}", another.body);
}

#[tokio::test]
async fn a_store_that_fails_for_a_moment_makes_no_debt_of_a_machine_that_is_there() {
    use pve_sim::{Fault, FaultKind, Operation};
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let (signed, ctid, _) = held(&app, &buyer).await;
    app.clock.advance(Duration::from_secs(125));
    becomes(&app, ctid, "stopped").await;
    let away = Fault::always(Operation::Any, FaultKind::Unreachable595);
    app.sim.faults().inject(away);
    app.faults.set_away(false);
    until("the money to be seen", async || {
        let row = payment(&app, &buyer).await;
        (row.state == PaymentState::Settled).then_some(())
    })
    .await;
    let file = rusqlite::Connection::open(app.database()).unwrap();
    file.busy_timeout(Duration::from_secs(10)).unwrap();
    file.execute_batch("ALTER TABLE leases RENAME TO leases_away")
        .unwrap();
    let failed = signed.send(&app).await;
    file.execute_batch("ALTER TABLE leases_away RENAME TO leases")
        .unwrap();
    assert!(failed.status.is_server_error(), "{:?}", failed.body);
    assert_eq!(app.app.store.debts_due().await.unwrap(), []);
    app.sim.faults().clear();
    until("the machine to be delivered", async || {
        (signed.send(&app).await.status == 200).then_some(())
    })
    .await;
}
