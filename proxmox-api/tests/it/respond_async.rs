//! `Prefer: respond-async`: a client that gives up before a lease is made gets its answer later, by
//! its key.

use std::time::{Duration, Instant};

use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Answer, Buyer, Signed},
    support::{TestApp, until},
};

/// The request timeout of impatient clients.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

async fn lease(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30});
    buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
}

fn slow_creation(app: &TestApp, millis: u64) {
    let slow = FaultKind::SlowTask(Duration::from_millis(millis));
    app.sim
        .faults()
        .inject(Fault::once(Operation::Create, slow));
}

async fn in_time(answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(CLIENT_TIMEOUT, answer)
        .await
        .expect("an answer within the client's patience")
}

#[tokio::test]
async fn a_lease_is_answered_early_and_the_same_key_gets_the_machine_and_its_password() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    slow_creation(&app, 8_000);
    let key = "a-key-of-the-customer";
    let signed = lease(&app, &buyer).await.with_key(key);
    let signed = signed.with_header("prefer", "respond-async");
    let start = Instant::now();
    let early = in_time(signed.send(&app)).await;
    assert_eq!(early.status, 202, "{:?}", early.body);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "once it is admitted"
    );
    assert_eq!(early.headers["preference-applied"], "respond-async");
    assert_eq!(early.headers["location"], "http://lease.example/payments");
    assert_eq!(early.headers["cache-control"], "no-store");
    assert!(early.headers.contains_key("retry-after"));
    assert_eq!(early.body["status"], "accepted");
    assert_eq!(early.body["statusUrl"], "/payments");
    assert!(early.receipt().is_none(), "nothing was charged yet");

    // Published clients sign anew on each request; such a client gets the same answer in time, and
    // is charged once.
    let before = app.balance(buyer.wallet()).await;
    let again = lease(&app, &buyer).await.with_key(key);
    let again = again.with_header("prefer", "respond-async");
    let waiting = in_time(again.send(&app)).await;
    assert_eq!(waiting.status, 202, "{:?}", waiting.body);
    let done = until("the lease to be made", async || {
        let answer = in_time(again.send(&app)).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(done.body["password"].as_str().unwrap().len(), 20);
    assert_eq!(done.receipt().unwrap()["success"], true);
    assert_eq!(app.sim.containers().len(), 1);
    assert_eq!(app.faults.settlements_asked(), 1);
    let price: u64 = done.body["price"]["total"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(app.balance(buyer.wallet()).await, before - price);
}

#[tokio::test]
async fn a_refusal_is_told_at_once_with_its_status() {
    let app = TestApp::with(&[("LEASES_PER_WALLET", "1")]).await;
    let (poor, rich) = (Buyer::new(1), Buyer::funded(&app, 2).await);
    let send = async |buyer: &Buyer, key: &str| {
        let signed = lease(&app, buyer).await.with_key(key);
        signed
            .with_header("prefer", "respond-async")
            .send(&app)
            .await
    };
    assert_eq!(send(&poor, "a-key-of-the-poor-customer").await.status, 402);
    assert_eq!(
        rich.lease(&app, json!({"runtimeMinutes": 5})).await.status,
        200
    );
    let refused = send(&rich, "a-key-of-the-rich-customer").await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "lease_limit_reached")
    );
}

#[tokio::test]
async fn a_client_that_cannot_retry_or_waits_long_enough_gets_the_whole_answer() {
    let app = TestApp::with(&[("LEASES_IN_FLIGHT_PER_WALLET", "3")]).await;
    let buyer = Buyer::funded(&app, 1).await;
    slow_creation(&app, 300);
    let keyless = lease(&app, &buyer).await;
    let keyless = keyless
        .with_header("prefer", "respond-async")
        .send(&app)
        .await;
    assert_eq!(keyless.status, 200, "{:?}", keyless.body);

    slow_creation(&app, 300);
    let patient = lease(&app, &buyer).await.with_key("a-key-of-the-customer");
    let patient = patient
        .with_header("prefer", "respond-async, wait=20")
        .send(&app)
        .await;
    assert_eq!(patient.status, 200, "{:?}", patient.body);

    // Another wallet's session may not see the answer.
    slow_creation(&app, 300);
    let stranger = Buyer::new(2).sign_in(&app).await;
    let foreign = lease(&app, &buyer)
        .await
        .with_header("prefer", "respond-async");
    let foreign = foreign.with_header("authorization", &format!("Bearer {}", stranger.0));
    let whole = foreign.send(&app).await;
    assert_eq!(whole.status, 200, "{:?}", whole.body);

    // The payer's session may see the answer as well.
    slow_creation(&app, 2_000);
    let session = buyer.sign_in(&app).await;
    let bearer = format!("Bearer {}", session.0);
    let signed = lease(&app, &buyer)
        .await
        .with_header("authorization", &bearer);
    let signed = signed.with_header("prefer", "respond-async");
    assert_eq!(signed.send(&app).await.status, 202);
    until("the lease to be made", async || {
        let answer = signed.send(&app).await;
        (answer.status == 200).then(|| assert!(answer.body["password"].is_string()))
    })
    .await;
}
