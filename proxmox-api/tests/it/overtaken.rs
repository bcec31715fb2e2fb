//! A payment whose row was meanwhile written by another process, as after the loss of a lock. Money
//! that is known to have moved is answered or owed, whatever the row says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::post};
use proxmox_api::{
    ids::Wallet,
    lease::ending::remove::remove,
    payment::recheck,
    payment_machine::{NewState, PaymentEffect, PaymentState},
    store::LeaseState,
    store::Payment,
};
use pve_sim::{Fault, FaultKind, Operation, TaskSnapshot};
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;
use x402::facilitator::faults::SettleFault;

use crate::guest::plain_shell;
use crate::{
    buyer::{Answer, Buyer, Signed},
    guest,
    support::{TestApp, until},
};

const KEY: &str = "a-key-that-nobody-guesses";

async fn a_lease(app: &TestApp) -> Signed {
    let buyer = Buyer::funded(app, 1).await;
    let body = Some(json!({"runtimeMinutes": 30}));
    let signed = buyer.sign(app, Method::POST, "/lease/container", body);
    signed.await.with_key(KEY)
}

async fn the_payment(app: &TestApp, wallet: &Wallet) -> Payment {
    let rows = app.app.store.payments_by_payer(wallet, None, 9).await;
    let id = rows.unwrap()[0].payment_id.clone();
    app.app.store.payment(&id).await.unwrap().unwrap()
}

/// The answer to a lease whose row changes to this state after its settlement, before that is
/// stored.
async fn told_while_the_row_becomes(app: &TestApp, signed: &Signed, state: &str) -> Answer {
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let here = (Arc::clone(&reached), Arc::clone(&go_on));
    let seen = AtomicU32::new(0);
    app.app.checkpoint.set(move |effect| {
        let stops = matches!(effect, PaymentEffect::Store(NewState::Settled(_)))
            && seen.fetch_add(1, Ordering::SeqCst) == 0;
        let (reached, go_on) = here.clone();
        Box::pin(async move {
            if stops {
                reached.notify_one();
                go_on.notified().await;
            }
        })
    });
    let rewritten = async {
        reached.notified().await;
        app.rewrite(&format!(
            "UPDATE payments SET state = '{state}' WHERE state = 'settling'"
        ));
        go_on.notify_one();
    };
    tokio::join!(signed.send(app), rewritten).0
}

#[tokio::test]
async fn money_that_moved_is_delivered_although_the_row_was_given_up_meanwhile() {
    let app = TestApp::start().await;
    let signed = a_lease(&app).await;
    let told = told_while_the_row_becomes(&app, &signed, "unresolved").await;
    assert_eq!(told.status, 200, "{:?}", told.body);
    assert_eq!(app.sim.containers().len(), 1);
}

#[tokio::test]
async fn money_that_moved_is_owed_although_the_row_was_refused_meanwhile() {
    let app = TestApp::start().await;
    let signed = a_lease(&app).await;
    let told = told_while_the_row_becomes(&app, &signed, "refused").await;
    assert_eq!(told.code(), "payment_owed", "{:?}", told.body);
    assert_eq!(told.receipt().unwrap()["success"], true);
    let due = app.app.store.debts_due().await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].reason, "moved_after_refusal");
    let again = signed.send(&app).await;
    assert_eq!(again.code(), "payment_owed", "{:?}", again.body);
}

#[tokio::test]
async fn a_payment_that_cannot_be_read_any_more_is_left_to_the_operator() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let list = buyer
        .sign(&app, Method::GET, "/management/list", None)
        .await;
    app.faults.on_settle(vec![SettleFault::LoseRequest; 40]);
    assert_eq!(list.send(&app).await.code(), "payment_unresolved");
    app.rewrite("UPDATE payments SET request = 'another release wrote this'");
    let wallet = buyer.wallet().into();
    let row = until("the payment to be left to a person", async || {
        let row = the_payment(&app, &wallet).await;
        (row.state == PaymentState::Unresolved).then_some(row)
    })
    .await;
    assert_eq!(row.reason.as_deref(), Some("unreadable"));
}

#[tokio::test]
async fn a_refused_payment_is_not_looked_at_again_while_a_copy_of_its_request_is_answered() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let node = Router::new().route(
        "/",
        post(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            async { StatusCode::SERVICE_UNAVAILABLE }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, node).await.unwrap() });
    let app = TestApp::with(&[("RPC_URL", &url)]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let list = buyer
        .sign(&app, Method::GET, "/management/list", None)
        .await;
    assert_eq!(list.send(&app).await.status, 200);
    app.rewrite("UPDATE payments SET state = 'refused', valid_before = 1");
    let row = the_payment(&app, &buyer.wallet().into()).await;

    let lock = app.app.payments_in_work.try_take(&row.payment_id).await;
    let lock = lock.unwrap().expect("no task works on it");
    let before = asked.load(Ordering::SeqCst);
    recheck::refusals(&app.app).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), before);
    drop(lock);
    recheck::refusals(&app.app).await.unwrap();
    assert!(asked.load(Ordering::SeqCst) > before);
}

/// Two replicas remove the container of one lease, as after the loss of a lock during the work.
#[tokio::test]
async fn an_end_that_another_replica_recorded_is_not_recorded_again() {
    let app = guest::app(plain_shell(), &[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = guest::lease(&app, &buyer, "box").await;
    let (store, now) = (&app.app.store, app.app.now());
    let vmid = ctid.try_into().unwrap();
    let lease = store.lease_by_vmid(vmid).await.unwrap().unwrap();
    let (id, destroying) = (&lease.lease_id, LeaseState::Destroying);
    let moved = store.move_lease(id, lease.state, destroying, now).await;
    assert!(moved.unwrap());
    let ending = store.lease(id).await.unwrap().unwrap();
    for _ in 0..2 {
        remove(&app.app, &ending).await.unwrap();
    }
    let events = store.events(id, 0, 99).await.unwrap();
    let told = events.iter().filter(|event| event.kind == "destroyed");
    assert_eq!(told.count(), 1, "{events:?}");
}

/// A replica stalled while it ended a lease, lost its lock, and another replica renewed the lease.
#[tokio::test]
async fn a_container_that_is_halted_while_its_lease_is_renewed_runs_again() {
    let app = guest::app(plain_shell(), &[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = guest::lease(&app, &buyer, "box").await;
    let takes_long = FaultKind::SlowTask(Duration::from_secs(1));
    let fault = Fault::once(Operation::Shutdown, takes_long);
    app.sim.faults().inject(fault);
    app.clock.advance(Duration::from_secs(31 * 60));
    let halts = |task: &TaskSnapshot| task.kind == "vzshutdown";
    let is_asked = async || app.sim.tasks().into_iter().find(halts);
    until("the container to be asked to stop", is_asked).await;
    app.rewrite(
        "UPDATE leases SET state = 'active', expires_at = expires_at + 3600, destroy_at = destroy_at + 3600
         WHERE state = 'expiring'",
    );
    until("the container to run again", async || {
        let tasks = app.sim.tasks();
        let halted = tasks
            .iter()
            .any(|task| halts(task) && task.exit_status.is_some());
        let running = app.sim.container(ctid)?.status == "running";
        (halted && running).then_some(())
    })
    .await;
    let lease = app.app.store.lease_by_vmid(ctid.try_into().unwrap()).await;
    assert_eq!(lease.unwrap().unwrap().state, LeaseState::Active);
}
