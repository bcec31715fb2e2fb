//! Paying in.

use reqwest::Method;
use serde_json::{Value, json};
use x402::purchase::Challenge;

use super::{ON, books_balance, credit, keyed, refusal, service};
use crate::{
    buyer::{Buyer, call},
    support::TestApp,
};

const PATH: &str = "/credit/top-up";

#[tokio::test]
async fn a_top_up_is_paid_in_either_version_and_makes_a_key_that_works() {
    let app = service().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let body = json!({"amount": "250000", "key": {"name": "ci", "limitDay": "20000"}});
    let signed = buyer
        .sign(&app, Method::POST, PATH, Some(body.clone()))
        .await;
    let signed = signed.with_key("a-secret-of-this-customer");
    let paid = signed.send(&app).await;
    assert_eq!(paid.status, 200, "{:?}", paid.body);
    assert!(paid.receipt().is_some());
    assert_eq!(paid.body["balance"], "250000");
    let key = paid.body["apiKey"]["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("i402t_") && key.len() == 46, "{key}");
    assert_eq!(paid.body["apiKey"]["id"], key[6..14]);
    // The same again is the same purchase, and shows the key to those who have the secret.
    let again = signed.send(&app).await;
    assert_eq!((again.status, &again.body), (paid.status, &paid.body));
    assert_eq!(before - app.balance(buyer.wallet()).await, 250_000);
    assert_eq!(credit(&app, &buyer).await, (250_000, 0));
    // Nowhere is the key itself kept.
    let stored = std::fs::read(app.database()).unwrap();
    let digits = &key.as_bytes()[6..];
    assert!(!stored.windows(digits.len()).any(|part| part == digits));

    let challenge = call(
        &app,
        &Method::POST,
        PATH,
        Some(&json!({"amount": "100000"})),
        &[],
    )
    .await;
    assert_eq!(challenge.status, 402);
    let version_1 = Challenge::V1(serde_json::from_value(challenge.body).unwrap());
    let body = Some(json!({"amount": "100000"}));
    let signed = buyer.sign_challenge(&app, &version_1, Method::POST, PATH, body);
    let paid = signed.send(&app).await;
    assert_eq!(paid.body["balance"], "350000", "{:?}", paid.body);
    assert_eq!(paid.body.get("apiKey"), None);
    books_balance(&app).await;
}

#[tokio::test]
async fn one_signature_pays_in_once_however_often_it_is_sent_at_a_time() {
    let app = service().await;
    let buyer = Buyer::funded(&app, 1).await;
    let body = json!({"amount": "100000"});
    let signed = buyer.sign(&app, Method::POST, PATH, Some(body)).await;
    let signed = signed.with_key("a-secret-of-this-customer");
    let (one, two) = tokio::join!(signed.send(&app), signed.send(&app));
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
    assert_eq!(one.body, two.body);
    assert_eq!(credit(&app, &buyer).await, (100_000, 0));
    books_balance(&app).await;
}

#[tokio::test]
async fn amounts_that_make_no_sense_are_refused_before_a_signature() {
    let app = service().await;
    for amount in [
        json!("0"),
        json!("-1"),
        json!("1.5"),
        json!("99999"),
        json!("100000001"),
        json!(100_000),
        json!("18446744073709551615"),
        json!("99999999999999999999999"),
        json!("1e6"),
        Value::Null,
    ] {
        let answer = call(
            &app,
            &Method::POST,
            PATH,
            Some(&json!({"amount": amount})),
            &[],
        )
        .await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{amount}");
        assert_eq!(
            answer.body["error"]["details"]["fields"][0]["field"], "amount",
            "{amount}"
        );
    }
    for (key, field) in [
        (json!({"name": "x".repeat(65)}), "key.name"),
        (json!({"scopes": []}), "key.scopes"),
        (
            json!({"expiresAt": "2001-01-01T00:00:00Z"}),
            "key.expiresAt",
        ),
        (json!({"limitDay": u64::MAX.to_string()}), "key.limitDay"),
    ] {
        let body = json!({"amount": "100000", "key": key});
        let answer = call(&app, &Method::POST, PATH, Some(&body), &[]).await;
        assert_eq!(
            answer.body["error"]["details"]["fields"][0]["field"], field,
            "{key}"
        );
    }
}

#[tokio::test]
async fn a_wallet_pays_in_no_more_than_it_may_have_and_is_told_before_it_signs() {
    let caps = [ON, ("CREDIT_MAX", "300000"), ("CREDIT_MAX_DAY", "400000")];
    let app = TestApp::with(&caps).await;
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 250_000, json!({})).await;
    let body = json!({"amount": "100000"});
    // To one who says who it is.
    let told = keyed
        .send(&app, Method::POST, PATH, Some(body.clone()), &[])
        .await;
    assert_eq!(refusal(&told), (400, "invalid_request"));
    assert_eq!(told.body["error"]["details"]["maximum"], "50000");
    // To others when they pay; nothing is charged.
    let before = app.balance(buyer.wallet()).await;
    let refused = buyer.pay(&app, Method::POST, PATH, Some(body)).await;
    assert_eq!(refusal(&refused), (400, "invalid_request"));
    assert_eq!(app.balance(buyer.wallet()).await, before);
    books_balance(&app).await;
}

#[tokio::test]
async fn where_credit_is_off_there_is_none_of_it() {
    let app = TestApp::with(&[("CREDIT", "false")]).await;
    let session = Buyer::new(1).sign_in(&app).await;
    for (method, path) in [
        (Method::POST, PATH),
        (Method::GET, "/credit"),
        (Method::GET, "/credit/entries"),
        (Method::GET, "/keys"),
        (Method::POST, "/keys"),
        (Method::GET, "/keys/current"),
    ] {
        let answer = session.call(&app, method, path).await;
        assert_eq!(refusal(&answer), (404, "not_found"), "{path}");
    }
    for document in [
        "/openapi.json",
        "/llms.txt",
        "/.well-known/x402",
        "/catalog",
    ] {
        let text = session
            .get(&app, document)
            .await
            .body
            .to_string()
            .to_lowercase();
        for word in ["/credit", "/keys", "i402_", "top-up"] {
            assert!(!text.contains(word), "{document} mentions {word}");
        }
    }
}
