//! One signed payment sent more than once, at once or later, for the same request or for another.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Answer, Buyer, Signed},
    support::TestApp,
};

async fn a_lease(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30, "hostname": "copy"});
    buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
}

/// One container, one settlement, and an answer without secrets for whoever cannot show more than the payment.
async fn assert_one_lease(app: &TestApp, answers: &[Answer]) {
    let leased: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    let told: Vec<_> = answers
        .iter()
        .map(|answer| (answer.status, answer.code()))
        .collect();
    assert_eq!(leased.len(), 1, "{told:?}");
    for copy in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (copy.status.as_u16(), copy.code()),
            (409, "payment_replayed")
        );
        let details = &copy.body["error"]["details"];
        assert_eq!(details["leaseId"], leased[0].body["leaseId"]);
        assert_eq!(
            details["transaction"],
            leased[0].body["payment"]["transaction"]
        );
        let password = leased[0].body["password"].as_str().unwrap();
        assert!(!copy.body.to_string().contains(password));
    }
    assert_eq!(app.sim.containers().len(), 1);
    assert_eq!(app.faults.settlements_asked(), 1);
}

#[tokio::test]
async fn ten_copies_at_once_are_one_container_and_one_settlement() {
    let app = TestApp::start().await;
    let signed = a_lease(&app, &Buyer::funded(&app, 1).await).await;
    let answers = join_all((0..10).map(|_| signed.send(&app))).await;
    assert_one_lease(&app, &answers).await;
}

#[tokio::test]
async fn copies_after_a_restart_find_the_outcome_of_those_before() {
    let mut app = TestApp::start().await;
    let signed = a_lease(&app, &Buyer::funded(&app, 1).await).await;
    let mut answers = join_all((0..5).map(|_| signed.send(&app))).await;
    app.restart().await;
    answers.extend(join_all((0..5).map(|_| signed.send(&app))).await);
    assert_one_lease(&app, &answers).await;
}

#[tokio::test]
async fn the_same_idempotency_key_gets_the_stored_answer_also_after_a_restart() {
    let mut app = TestApp::start().await;
    let signed = a_lease(&app, &Buyer::funded(&app, 1).await)
        .await
        .with_key("order-17-of-this-customer");
    let first = signed.send(&app).await;
    assert_eq!(first.status, 200, "{:?}", first.body);
    app.restart().await;
    let again = signed.send(&app).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.receipt(), first.receipt());
    let stranger = Signed {
        key: Some("order-18-of-this-customer".to_owned()),
        ..signed
    };
    assert_eq!(stranger.send(&app).await.code(), "payment_replayed");
    assert_eq!(app.sim.containers().len(), 1);
}

#[tokio::test]
async fn a_payment_for_one_request_buys_no_other() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = a_lease(&app, &buyer).await;
    assert_eq!(signed.send(&app).await.status, 200);
    let balance = app.balance(buyer.wallet()).await;
    // The same price, so that nothing but the digest tells the two apart.
    let other = Signed {
        body: Some(json!({"runtimeMinutes": 30, "hostname": "other"})),
        ..signed.clone()
    };
    let stolen = other.send(&app).await;
    assert_eq!(
        (stolen.status.as_u16(), stolen.code()),
        (409, "payment_replayed")
    );
    let list = Signed {
        method: Method::GET,
        path: "/management/list".to_owned(),
        body: None,
        ..signed
    };
    // Also where the price differs: a payment that is known meets no price.
    let wrong_price = list.send(&app).await;
    assert_eq!(wrong_price.code(), "payment_replayed");
    assert_eq!(app.balance(buyer.wallet()).await, balance);
    assert_eq!(app.sim.containers().len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_names_one_request_of_a_wallet() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let first = a_lease(&app, &buyer).await.with_key("k");
    assert_eq!(first.send(&app).await.status, 200);
    let body = json!({"runtimeMinutes": 10});
    let second = buyer
        .sign(&app, Method::POST, "/lease/container", Some(body))
        .await
        .with_key("k");
    let refused = second.send(&app).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "payment_replayed")
    );
    // Another wallet may use the same words.
    let other = Buyer::funded(&app, 2).await;
    let theirs = a_lease(&app, &other).await.with_key("k");
    assert_eq!(theirs.send(&app).await.status, 200);
}
