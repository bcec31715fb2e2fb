//! Payments whose settlement has an unknown outcome, and payments that come at the wrong time or
//! for the wrong request.

use std::time::Duration;

use alloy::primitives::Address;
use proxmox_api::store::{NewPayment, PaymentState, SignedRequest};
use reqwest::Method;
use serde_json::{Value, json};
use x402::{facilitator::faults::SettleFault, payment::Payment, wire::header as wire};

use crate::{
    buyer::{Buyer, Signed, call},
    support::{TestApp, until},
};

const KEY: &str = "a-key-that-nobody-guesses";
const LEASE: &str = "/lease/container";

/// A signed request for a lease of 30 minutes, without a key.
pub async fn a_lease(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30});
    buyer.sign(app, Method::POST, LEASE, Some(body)).await
}

fn refusals(reason: &str) -> Vec<SettleFault> {
    vec![SettleFault::Refuse(reason.to_owned()); 40]
}

/// The default configuration: a remote facilitator, and no node of the chain.
#[tokio::test]
async fn a_facilitators_refusals_after_a_lost_answer_prove_nothing() {
    let app = TestApp::start().await;
    app.faults.set_real(true);
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let signed = a_lease(&app, &buyer).await.with_key(KEY);
    app.faults.on_settle([SettleFault::LoseAnswer]);
    app.faults
        .on_settle(refusals("invalid_exact_evm_nonce_already_used"));
    assert_eq!(signed.send(&app).await.status, 202);
    assert!(
        app.balance(buyer.wallet()).await < before,
        "the money moved"
    );
    app.clock.advance(Duration::from_secs(15 * 60));
    let session = buyer.sign_in(&app).await;
    let payment = until("the payment to be shown as unresolved", async || {
        let payments = session.get(&app, "/payments").await.body["payments"].clone();
        (payments[0]["state"] == "unresolved").then(|| payments[0].clone())
    })
    .await;
    assert_eq!(payment["reason"], "no_chain_to_ask");
    assert_eq!(app.sim.containers().len(), 1, "the machine is kept");
    let told = signed.send(&app).await;
    assert_eq!(told.code(), "payment_unresolved", "never a new challenge");
    assert_eq!(told.body["error"]["details"]["state"], "unresolved");
    assert_eq!(app.app.store.open_accounts().await.unwrap().unresolved, 1);
}

#[tokio::test]
async fn a_replayed_payment_is_answered_after_its_window() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = a_lease(&app, &buyer).await.with_key(KEY);
    let first = signed.send(&app).await;
    assert_eq!(first.status, 200, "{:?}", first.body);
    for seconds in [270, 60, 3_600] {
        app.clock.advance(Duration::from_secs(seconds));
        let again = signed.send(&app).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
    }
}

#[tokio::test]
async fn a_renewal_that_was_paid_for_a_lease_that_ended_is_owed_once() {
    let app = TestApp::with(&[("LEASE_GRACE_MINUTES", "1")]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 1})).await;
    let path = format!("/lease/{}/renew", leased.body["ctid"]);
    let body = json!({"runtimeMinutes": 30});
    let renewal = buyer.sign(&app, Method::POST, &path, Some(body)).await;
    // The facilitator is down from the first answer on, so that the transfer stays unseen until the
    // lease is over.
    app.faults.on_settle([SettleFault::LoseAnswer]);
    app.faults.on_settle(vec![SettleFault::LoseRequest; 3]);
    assert_eq!(renewal.send(&app).await.code(), "payment_unresolved");
    app.clock.advance(Duration::from_secs(5 * 60));
    let session = buyer.sign_in(&app).await;
    let payment = until("the renewal to be owed", async || {
        let payments = session.get(&app, "/payments").await.body["payments"].clone();
        (payments[0]["state"] == "owed").then(|| payments[0].clone())
    })
    .await;
    assert_eq!(payment["operation"], "POST /lease/{ctid}/renew");
    let told = renewal.send(&app).await;
    assert_eq!(told.code(), "payment_owed", "{:?}", told.body);
    assert_eq!(told.body["error"]["details"]["reason"], "lease_ended");
    assert_eq!(app.app.store.debts_due().await.unwrap().len(), 1);
    let id = payment["paymentId"].as_str().unwrap();
    let events = app.app.store.events(id, 0, 99).await.unwrap();
    let owed = events.iter().filter(|event| event.kind == "payment_owed");
    assert_eq!(owed.count(), 1);
    assert!(
        app.app
            .store
            .unfinished_payments()
            .await
            .unwrap()
            .is_empty()
    );
}

/// A write that failed leaves an orphaned row: no task works on it.
#[tokio::test]
async fn orphaned_rows_are_swept_without_a_restart() {
    let app = TestApp::start().await;
    let now = app.app.now();
    let row = |id: &str| NewPayment {
        payment_id: id.into(),
        network: "eip155:84532".into(),
        asset: "0xa55e".into(),
        payer: Address::repeat_byte(0xaa).into(),
        nonce: id.into(),
        digest: "digest".into(),
        idempotency_key: None,
        amount: 1000,
        pay_to: "0xbb".into(),
        valid_before: now + 300,
        request: SignedRequest("{}".into()),
        operation: "list".into(),
        arguments: "{}".into(),
        lease_id: None,
    };
    let store = &app.app.store;
    for id in ["reserved", "verified"] {
        store.reserve(row(id), now).await.unwrap();
    }
    app.rewrite("UPDATE payments SET state = 'verified' WHERE payment_id = 'verified'");
    app.clock.advance(Duration::from_secs(3 * 60));
    for id in ["reserved", "verified"] {
        until("the row to be given back", async || {
            app.clock.advance(Duration::from_secs(60));
            let row = store.payment(&id.into()).await.unwrap()?;
            (row.state == PaymentState::Released).then_some(())
        })
        .await;
    }
    app.clock.advance(Duration::from_secs(70 * 60));
    until("the rows to be removed", async || {
        // The round of this moment may have begun before; the next one is a minute later.
        app.clock.advance(Duration::from_secs(60));
        store
            .payment(&"verified".into())
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_empty_body_or_head_with_a_payment_buys_nothing() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    // The price of a request without a body, as a client that asks for the terms learns it.
    let signed = buyer.sign(&app, Method::POST, LEASE, None).await;
    let answer = signed.send(&app).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "invalid_request"),
        "{:?}",
        answer.body
    );
    let list = buyer
        .sign(&app, Method::GET, "/management/list", None)
        .await;
    let head = Signed {
        method: Method::HEAD,
        ..list.clone()
    };
    assert_eq!(head.send(&app).await.status, 405);
    assert_eq!(app.faults.settlements_asked(), 0);
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(list.send(&app).await.status, 200, "it is as good as before");
}

/// A call with a payment that was changed as JSON.
async fn with_payment(
    app: &TestApp,
    signed: &Signed,
    change: impl FnOnce(&mut Value),
) -> crate::buyer::Answer {
    let mut payment = serde_json::to_value(&signed.payment).unwrap();
    change(&mut payment);
    let header = [(wire::PAYMENT_SIGNATURE, wire::encode(&payment))];
    call(
        app,
        &signed.method,
        &signed.path,
        signed.body.as_ref(),
        &header,
    )
    .await
}

#[tokio::test]
async fn a_payment_that_was_changed_is_refused_before_settlement() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = a_lease(&app, &buyer).await;
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 4] = [
        ("invalid_payload", |payment| {
            payment["extensions"]["payment-identifier"] = json!({"info": {"id": "short"}});
        }),
        ("invalid_payload", |payment| {
            payment["payload"]["permit2Authorization"] = json!({});
        }),
        ("invalid_payload", |payment| {
            payment["payload"]["authorization"]["also"] = json!(1);
        }),
        ("No matching payment requirements", |payment| {
            payment["resource"]["url"] = json!("http://lease.example/management/list");
        }),
    ];
    for (code, change) in cases {
        let refused = with_payment(&app, &signed, change).await;
        assert_eq!(refused.status, 402, "{:?}", refused.body);
        assert_eq!(refused.body["error"], code);
        let sentence = refused.body["message"].as_str().unwrap();
        assert!(sentence.contains("nothing was charged"), "{sentence}");
    }
    assert_eq!(app.faults.settlements_asked(), 0);
    let taken = with_payment(&app, &signed, |payment| {
        for member in ["value", "validAfter", "validBefore"] {
            let text = payment["payload"]["authorization"][member].clone();
            let number: u64 = text.as_str().unwrap().parse().unwrap();
            payment["payload"]["authorization"][member] = json!(number);
        }
        payment["resource"]["url"] = json!("https://another.name/lease/container?x=1");
    })
    .await;
    assert_eq!(taken.status, 200, "{:?}", taken.body);
}

#[tokio::test]
async fn a_clock_that_is_off_hears_by_how_much() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = a_lease(&app, &buyer).await;
    app.clock.advance(Duration::from_secs(400));
    let late = signed.send(&app).await;
    assert_eq!(late.status, 402);
    let sentence = late.body["message"].as_str().unwrap();
    assert!(
        sentence.contains("ended 10") && sentence.contains("40"),
        "{sentence}"
    );
    assert!(sentence.contains("behind"), "{sentence}");
    let Payment::V2(_) = signed.payment else {
        panic!("the buyer pays by version 2");
    };
}
