//! Who may see what a payment bought: the payer, with a session or a secret key. A caller who only
//! names the payment sees no secret.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use x402::{facilitator::faults::SettleFault, payment::Payment};

use crate::{
    buyer::{Answer, Buyer, Signed},
    guest::{CALL, Guest},
    support::{TestApp, until},
};

const KEY: &str = "a-key-that-nobody-guesses";

async fn a_lease(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30});
    buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
}

/// The same call with another payload.
fn changed(signed: &Signed, change: impl Fn(&mut x402::wire::exact::ExactPayload)) -> Signed {
    let mut signed = signed.clone();
    match &mut signed.payment {
        Payment::V1(payload) => change(&mut payload.payload),
        Payment::V2(payload) => change(&mut payload.payload),
    }
    signed
}

fn shows_no_secret(answer: &Answer) {
    let text = answer.body.to_string();
    assert!(!text.contains("password\":"), "{text}");
    assert!(!text.contains("ticket\":"), "{text}");
}

#[tokio::test]
async fn a_payment_in_anothers_name_leaves_nothing_and_locks_nobody_out() {
    let app = TestApp::start().await;
    app.faults.set_real(true);
    let (victim, thief) = (Buyer::funded(&app, 1).await, Buyer::new(2));
    for _ in 0..20 {
        let forged = changed(&a_lease(&app, &thief).await, |payload| {
            payload.authorization.from = victim.wallet();
        });
        let refused = forged.send(&app).await;
        assert_eq!(refused.status, 402, "{:?}", refused.body);
    }
    let wallet = victim.wallet().into();
    let rows = app.app.store.payments_by_payer(&wallet, None, 99).await;
    assert_eq!(rows.unwrap(), []);
    assert_eq!(app.faults.settlements_asked(), 0);
    let leased = victim.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
}

#[tokio::test]
async fn signatures_that_only_the_facilitator_can_judge_are_bounded_by_address() {
    let app = TestApp::start().await;
    app.faults.set_real(true);
    let thief = Buyer::new(2);
    let forged = changed(&a_lease(&app, &thief).await, |payload| {
        payload.signature = format!("0x{}", "5a".repeat(200));
    });
    let mut limited = 0;
    for _ in 0..80 {
        limited += u32::from(forged.send(&app).await.status == 429);
    }
    assert!(limited >= 15, "{limited} of 80");
    // A customer at the same address with a different key is not in that count.
    let buyer = Buyer::funded(&app, 1).await;
    assert_eq!(a_lease(&app, &buyer).await.send(&app).await.status, 200);
}

#[tokio::test]
async fn the_right_key_with_a_wrong_signature_shows_no_secret() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let signed = a_lease(&app, &buyer).await.with_key(KEY);
    let first = signed.send(&app).await;
    assert!(first.body["password"].is_string(), "{:?}", first.body);
    for real in [false, true] {
        app.faults.set_real(real);
        for signature in ["00", "5a"] {
            let garbage = changed(&signed, |payload| {
                payload.signature = format!("0x{}", signature.repeat(65));
            });
            let answer = garbage.send(&app).await;
            assert!([402, 409].contains(&answer.status.as_u16()));
            shows_no_secret(&answer);
        }
    }
    app.faults.set_real(false);
    assert_eq!(signed.send(&app).await.body, first.body);
}

#[tokio::test]
async fn a_key_that_can_be_guessed_or_read_on_the_chain_shows_no_secret() {
    let app = TestApp::start().await;
    let keys = [
        "1",
        "web-NONCE",
        "NONCE",
        "for-PAYER-17",
        "fifteen-letters",
        "END",
        "UUID",
    ];
    for (number, key) in keys.into_iter().enumerate() {
        let buyer = Buyer::funded(&app, number as u64).await;
        let signed = a_lease(&app, &buyer).await;
        let nonce = signed.payment.authorization().nonce.to_string();
        let text_of_signature = signed.payment.exact().signature.clone();
        let uuid = [2..10, 10..14, 14..18, 18..22, 22..34].map(|part| nonce[part].to_owned());
        let uuid = uuid.join("-");
        let key = key
            .replace("NONCE", &nonce)
            .replace("PAYER", &buyer.wallet().to_string())
            .replace("END", &text_of_signature[text_of_signature.len() - 32..])
            .replace("UUID", &uuid);
        let signed = signed.with_key(&key);
        assert_eq!(signed.send(&app).await.status, 200, "{key}");
        let again = signed.send(&app).await;
        assert_eq!(again.code(), "payment_replayed", "{key}");
        shows_no_secret(&again);
    }
}

/// A console that is paid for and was not delivered: the settlement's answer was lost, and the
/// transfer found later.
async fn undelivered(guest: &Guest, key: Option<&str>) -> Signed {
    let app = &guest.app;
    app.faults.on_settle([SettleFault::LoseAnswer]);
    let path = guest.console_path();
    let signed = guest.buyer.sign(app, Method::POST, &path, None).await;
    let signed = Signed {
        key: key.map(str::to_owned),
        ..signed
    };
    let lost = signed.send(app).await;
    assert_eq!(lost.code(), "payment_unresolved", "{:?}", lost.body);
    let session = guest.buyer.sign_in(app).await;
    until("the payment to be found settled", async || {
        let payments = session.get(app, "/payments").await.body;
        (payments["payments"][0]["state"] == "settled").then_some(())
    })
    .await;
    signed
}

#[tokio::test]
async fn a_paid_call_that_was_not_delivered_is_performed_for_its_payer_only() {
    let guest = Guest::plain().await;
    let app = &guest.app;
    let signed = undelivered(&guest, Some(KEY)).await;
    let before = guest.balance().await;
    // The chain shows the payer, the payee and the signature of the payment.
    let stranger = Signed {
        key: None,
        ..signed.clone()
    };
    let told = stranger.send(app).await;
    assert_eq!(told.code(), "payment_replayed", "{:?}", told.body);
    assert_eq!(told.body["error"]["details"]["delivered"], false);
    shows_no_secret(&told);
    let done = signed.send(app).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
    assert!(done.body["ticket"].is_string());
    assert_eq!(guest.balance().await, before, "without another charge");
}

#[tokio::test]
async fn a_paid_call_that_nobody_asks_for_again_is_owed() {
    let guest = Guest::plain().await;
    let app = &guest.app;
    let session = guest.buyer.sign_in(app).await;
    let lost = undelivered(&guest, None).await;
    let kept = undelivered(&guest, Some(KEY)).await;
    app.clock.advance(Duration::from_secs(11 * 60));
    let payments = until("the payment without a key to be owed", async || {
        let payments = session.get(app, "/payments").await.body["payments"].clone();
        (payments[1]["state"] == "owed").then_some(payments)
    })
    .await;
    assert_eq!(payments[1]["owed"], CALL.to_string());
    assert_eq!(payments[0]["state"], "settled", "a key is good for a day");
    let told = lost.send(app).await;
    assert_eq!(told.code(), "payment_owed", "{:?}", told.body);
    assert_eq!(told.body["error"]["details"]["reason"], "undelivered");
    assert!(
        told.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("Do not pay again")
    );
    assert_eq!(kept.send(app).await.status, 200);
    assert_eq!(app.app.store.debts_due().await.unwrap().len(), 1);
    let metrics = app.http.get(format!("{}/metrics", app.url)).send();
    let metrics = metrics.await.unwrap().text().await.unwrap();
    assert!(metrics.contains("payments_due_atomic 1000"), "{metrics}");
    assert!(metrics.contains("payments_unresolved 0"), "{metrics}");
}

/// The lease of a payment is fixed when it is paid; its number may belong to another lease by now,
/// even to one of the same wallet.
#[tokio::test]
async fn a_paid_call_is_about_the_lease_that_it_was_paid_for() {
    let guest = Guest::plain().await;
    let app = &guest.app;
    let signed = undelivered(&guest, Some(KEY)).await;
    let misled = Signed {
        path: format!("{}?leaseId=lease-of-yesterday", signed.path),
        ..signed.clone()
    };
    let done = misled.send(app).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
    assert_eq!(app.app.store.debts_due().await.unwrap(), []);
}

#[tokio::test]
async fn a_call_that_names_a_lease_which_is_over_is_not_charged() {
    let guest = Guest::plain().await;
    let app = &guest.app;
    let before = guest.balance().await;
    let session = guest.buyer.sign_in(app).await;
    let leases = session.get(app, "/leases").await.body;
    let now = leases["leases"][0]["leaseId"].as_str().unwrap().to_owned();
    for path in [
        guest.exec_path(),
        format!("/lease/{}/renew", guest.ctid),
        guest.console_path(),
    ] {
        let body = match path.as_str() {
            path if path.ends_with("renew") => Some(json!({"runtimeMinutes": 5})),
            path if path.contains("exec") => Some(json!({"command": "true"})),
            _ => None,
        };
        let signed = guest.buyer.sign(app, Method::POST, &path, body).await;
        let named = |lease: &str| Signed {
            path: format!("{path}?leaseId={lease}"),
            ..signed.clone()
        };
        let over = named("lease-of-yesterday").send(app).await;
        assert_eq!(over.code(), "lease_ended", "{path}: {:?}", over.body);
        assert_eq!(guest.balance().await, before, "{path}");
        // The payment itself was not used up.
        if path == guest.console_path() {
            assert_eq!(named(&now).send(app).await.status, 200);
            break;
        }
    }
}
