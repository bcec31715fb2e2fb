//! The forms of a request: HEAD and `Accept`; and a Proxmox that does not answer.

use std::time::{Duration, Instant};

use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Buyer, call},
    support::TestApp,
};

#[tokio::test]
async fn head_tells_the_price_and_never_takes_a_payment() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let path = "/management/list";
    let challenge = call(&app, &Method::HEAD, path, None, &[]).await;
    assert_eq!(challenge.status, 402);
    assert!(challenge.headers.contains_key("payment-required"));

    let before = app.balance(buyer.wallet()).await;
    let signed = buyer.sign(&app, Method::GET, path, None).await;
    let (name, value) = signed.payment.to_header();
    let refused = call(&app, &Method::HEAD, path, None, &[(name, value)]).await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.headers["allow"], "GET");
    let version_1 = [("x-payment", "anything".to_owned())];
    let refused = call(&app, &Method::HEAD, path, None, &version_1).await;
    assert_eq!(refused.status, 405);
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(app.faults.settlements_asked(), 0);
    // The payment is still valid.
    assert_eq!(signed.send(&app).await.status, 200);
}

#[tokio::test]
async fn an_answer_is_json_with_its_receipt_unless_events_are_preferred() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let kind = async |accept: &str| {
        let signed = buyer
            .sign(&app, Method::GET, "/management/list", None)
            .await;
        let answer = signed.with_header("accept", accept).send(&app).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let receipt = answer.receipt().is_some();
        (
            answer.headers["content-type"].to_str().unwrap().to_owned(),
            receipt,
        )
    };
    let json = ("application/json".to_owned(), true);
    assert_eq!(kind("application/json, text/event-stream").await, json);
    assert_eq!(kind("text/event-stream;q=0, */*").await, json);
    let events = ("text/event-stream".to_owned(), false);
    assert_eq!(kind("text/event-stream").await, events);
    assert_eq!(
        kind("application/json;q=0.9, text/event-stream").await,
        events
    );
}

#[tokio::test]
async fn a_proxmox_that_hangs_is_told_within_seconds_and_costs_nothing() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    let ctid = leased.body["ctid"].as_u64().unwrap();
    let sign = async |path: String, body| buyer.sign(&app, Method::POST, &path, body).await;
    let calls = [
        sign(
            "/lease/container".into(),
            Some(json!({"runtimeMinutes": 30})),
        )
        .await,
        sign(
            format!("/lease/{ctid}/renew"),
            Some(json!({"runtimeMinutes": 5})),
        )
        .await,
        sign(
            format!("/management/exec/{ctid}"),
            Some(json!({"command": "true"})),
        )
        .await,
        sign(format!("/management/console/{ctid}"), None).await,
    ];
    let before = app.balance(buyer.wallet()).await;
    // The cached state has expired by then.
    app.clock.advance(Duration::from_secs(10));
    let hangs = FaultKind::Late(Duration::from_secs(60));
    app.sim
        .faults()
        .inject(Fault::always(Operation::Any, hangs));
    let start = Instant::now();
    let answers = futures_util::future::join_all(calls.iter().map(|call| call.send(&app))).await;
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "{:?}",
        start.elapsed()
    );
    for (call, answer) in calls.iter().zip(&answers) {
        let refusal = (answer.status.as_u16(), answer.code());
        assert_eq!(refusal, (503, "hypervisor_unavailable"), "{}", call.path);
        assert!(answer.headers.contains_key("retry-after"), "{}", call.path);
    }
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(app.sim.containers().len(), 1);
    // Once Proxmox answers again, the same payments are accepted.
    app.sim.faults().clear();
    let again = calls[0].send(&app).await;
    assert_eq!(again.status, 200, "{:?}", again.body);
}
