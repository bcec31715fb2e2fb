//! One signed payment that is sent more than once, concurrently or later, for the same request or
//! for another.

use futures_util::future::join_all;
use proxmox_api::{
    ids::Wallet,
    payment::digest,
    store::{NewPayment, SignedRequest},
};
use reqwest::Method;
use serde_json::json;
use x402::network::Network;

use crate::{
    buyer::{Answer, Buyer, Signed},
    guest::{CALL, Guest},
    support::{PAYEE, TestApp},
};

async fn a_lease(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30, "hostname": "copy"});
    buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
}

/// One container, one settlement, and an answer without secrets for a caller who shows only the
/// payment.
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
    // The prices are equal, so only the digest distinguishes the two requests.
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
    // This holds for another price too: a payment is looked up before its price is checked.
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
    // Another wallet may use the same key.
    let other = Buyer::funded(&app, 2).await;
    let theirs = a_lease(&app, &other).await.with_key("k");
    assert_eq!(theirs.send(&app).await.status, 200);
}

/// While a copy waits, its payment can be given back and claimed for another request.
#[tokio::test]
async fn a_copy_that_waited_is_not_done_with_a_payment_of_another_request() {
    let guest = Guest::plain().await;
    let app = &guest.app;
    let list = guest
        .buyer
        .sign(app, Method::GET, "/management/list", None)
        .await
        .with_key("a-key-of-this-customer")
        .with_header("prefer", "respond-async");
    let console = Signed {
        method: Method::POST,
        path: guest.console_path(),
        headers: Vec::new(),
        ..list.clone()
    };
    let network = Network::by_name("base-sepolia").unwrap();
    let authorization = list.payment.authorization();
    let payer: Wallet = guest.buyer.wallet().into();
    let row = |operation: &str, signed: &Signed| NewPayment {
        payment_id: "pay_1".into(),
        network: network.caip2.into(),
        asset: network.usdc.address.to_string(),
        payer: payer.clone(),
        nonce: authorization.nonce.to_string(),
        digest: digest::request_digest(signed.method.as_str(), &signed.path, b""),
        idempotency_key: signed.key.clone(),
        amount: CALL,
        pay_to: PAYEE.into(),
        valid_before: app.app.now() + 300,
        request: SignedRequest("{}".into()),
        operation: operation.into(),
        arguments: "{}".into(),
        lease_id: None,
    };
    let (store, now) = (&app.app.store, app.app.now());
    let name = format!("{payer}:{}", authorization.nonce);
    let lock = app.app.payments_in_work.take(&name).await.unwrap();
    store.reserve(row("list", &list), now).await.unwrap();
    // It was answered early, and goes on waiting.
    assert_eq!(list.send(app).await.status, 202);
    app.rewrite("UPDATE payments SET state = 'released' WHERE payment_id = 'pay_1'");
    store.reserve(row("console", &console), now).await.unwrap();
    let hash = format!("0x{}", "ab".repeat(32));
    app.rewrite(&format!(
        "UPDATE payments SET state = 'settled', transaction_hash = '{hash}' WHERE payment_id = 'pay_1'"
    ));
    drop(lock);
    // This request waits behind the first copy.
    let opened = console.send(app).await;
    assert_eq!(opened.status, 200, "{:?}", opened.body);
    assert!(opened.body["ticket"].is_string(), "{:?}", opened.body);
}
