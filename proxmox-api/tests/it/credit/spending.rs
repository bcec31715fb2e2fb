//! What is bought from credit.

use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{CALL, books_balance, credit, header, keyed, refusal, service};
use crate::buyer::{Buyer, call};

#[tokio::test]
async fn a_lease_a_command_a_renewal_and_a_list_need_no_further_signature() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 1_000_000, json!({})).await;
    let money = app.balance(buyer.wallet()).await;
    let leased = keyed.lease(&app, 60).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    let price: u64 = leased.body["price"]["total"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        header(&leased, "credit-charged"),
        Some(price.to_string().as_str())
    );
    assert_eq!(
        leased.body["payment"],
        json!({"transaction": "", "network": "credit"})
    );
    assert!(leased.receipt().is_none());
    assert!(!leased.body["password"].as_str().unwrap().is_empty());
    let ctid = &leased.body["ctid"];

    let path = format!("/management/exec/{ctid}");
    let body = Some(json!({"command": "echo hello"}));
    let ran = keyed.send(&app, Method::POST, &path, body, &[]).await;
    assert_eq!(
        (ran.status.as_u16(), &ran.body["stdout"]),
        (200, &json!("hello\n"))
    );
    assert_eq!(header(&ran, "credit-charged"), Some("100"));

    let end = leased.body["expiresAt"].as_str().unwrap().to_owned();
    let body = Some(json!({"runtimeMinutes": 60}));
    let path = format!("/lease/{ctid}/renew");
    let renewed = keyed.send(&app, Method::POST, &path, body, &[]).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    assert!(renewed.body["expiresAt"].as_str().unwrap() > end.as_str());
    let renewal: u64 = renewed.body["price"]["total"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();

    let listed = keyed.list(&app).await;
    assert_eq!(listed.body["leases"][0]["ctid"], *ctid);
    assert_eq!(
        listed.body["leases"][0]["expiresAt"],
        renewed.body["expiresAt"]
    );
    let left = 1_000_000 - price - renewal - 2 * CALL;
    assert_eq!(
        header(&listed, "credit-available"),
        Some(left.to_string().as_str())
    );
    assert_eq!(credit(&app, &buyer).await, (left, 0));
    assert_eq!(app.balance(buyer.wallet()).await, money, "no money moved");
    let entries = keyed.get(&app, "/credit/entries?limit=3").await;
    assert_eq!(entries.body["entries"][0]["amount"], "100");
    assert_eq!(entries.body["entries"][0]["direction"], "out");
    let next = format!("/credit/entries?before={}", entries.body["next"]);
    let kinds: Vec<_> = keyed.get(&app, &next).await.body["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["charge", "top_up"]);
    let shown = keyed.get(&app, "/credit").await.body;
    assert_eq!(
        (&shown["balance"], &shown["held"]),
        (&json!(left.to_string()), &json!("0"))
    );
    assert!(
        shown["burnPerHour"] != "0" && shown["lastsUntil"].is_string(),
        "{shown}"
    );
    books_balance(&app).await;
}

#[tokio::test]
async fn a_call_that_fails_costs_nothing() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 100_000, json!({})).await;
    let leased = keyed.lease(&app, 30).await;
    let before = credit(&app, &buyer).await;
    let ctid = &leased.body["ctid"];
    let off = keyed
        .send(
            &app,
            Method::POST,
            &format!("/lease/{ctid}/stop"),
            None,
            &[],
        )
        .await;
    assert_eq!(off.status, 200, "{:?}", off.body);
    let path = format!("/management/exec/{ctid}");
    let body = Some(json!({"command": "true"}));
    let failed = keyed.send(&app, Method::POST, &path, body, &[]).await;
    assert!(
        failed.status.is_server_error() || failed.status == 409,
        "{:?}",
        failed.body
    );
    assert_eq!(header(&failed, "credit-charged"), None);
    assert_eq!(credit(&app, &buyer).await, before);
    books_balance(&app).await;
}

#[tokio::test]
async fn too_little_credit_is_a_402_for_this_call_that_says_what_is_missing() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 100_000, json!({})).await;
    let leased = keyed.lease(&app, 60 * 24 * 20).await;
    assert_eq!(leased.status, 402, "{:?}", leased.body);
    let told = &leased.body["credit"];
    assert_eq!(told["available"], "100000");
    assert_eq!(told["topUp"]["path"], "/credit/top-up");
    let number = |name: &str| told[name].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(number("required") - 100_000, number("shortfall"));
    assert!(
        leased.headers.contains_key("payment-required"),
        "a wallet can still pay for it"
    );
    assert_eq!(
        leased.body["accepts"][0]["maxAmountRequired"],
        told["required"]
    );
    assert_eq!(credit(&app, &buyer).await, (100_000, 0));
}

#[tokio::test]
async fn a_payment_is_used_before_credit_and_credit_only_where_it_is_wanted() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 100_000, json!({})).await;
    let path = "/management/list";
    let never = keyed
        .send(&app, Method::GET, path, None, &[("credit", "never")])
        .await;
    assert_eq!(
        (never.status.as_u16(), &never.body["credit"]["required"]),
        (402, &json!("100"))
    );
    assert_eq!(never.body["accepts"][0]["maxAmountRequired"], "1000");
    let odd = keyed
        .send(&app, Method::GET, path, None, &[("credit", "maybe")])
        .await;
    assert_eq!(refusal(&odd), (400, "invalid_request"));
    let stranger = [("credit", "maybe".to_owned())];
    let odd = call(&app, &Method::GET, path, None, &stranger).await;
    assert_eq!(refusal(&odd), (400, "invalid_request"));
    let mut signed = buyer.sign(&app, Method::GET, path, None).await;
    signed.headers = keyed.headers(&[]);
    assert!(signed.send(&app).await.receipt().is_some());
    assert_eq!(credit(&app, &buyer).await, (100_000, 0));
    // A session spends where it says so.
    let session = buyer.sign_in(&app).await;
    assert_eq!(session.get(&app, path).await.status, 402);
    let bearer = |wish: &str| {
        [
            ("authorization", format!("Bearer {}", session.0)),
            ("credit", wish.to_owned()),
        ]
    };
    let listed = call(&app, &Method::GET, path, None, &bearer("use")).await;
    assert_eq!(
        (listed.status.as_u16(), header(&listed, "credit-charged")),
        (200, Some("100"))
    );
    let head = call(&app, &Method::HEAD, path, None, &keyed.headers(&[])).await;
    assert_eq!(head.status, 402, "an answer without a body is not sold");
    assert_eq!(credit(&app, &buyer).await, (100_000 - CALL, 0));
    books_balance(&app).await;
}

#[tokio::test]
async fn the_same_idempotency_key_is_charged_once_and_for_each_key_its_own() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let first = keyed(&app, &buyer, 100_000, json!({})).await;
    let second = keyed(&app, &buyer, 100_000, json!({})).await;
    let key = [("idempotency-key", "once")];
    let list = |keyed: &super::Keyed| {
        let (app, keyed) = (&app, keyed.clone());
        async move {
            keyed
                .send(app, Method::GET, "/management/list", None, &key)
                .await
        }
    };
    let (one, two) = tokio::join!(list(&first), list(&first));
    assert_eq!((one.status.as_u16(), &one.body), (200, &two.body));
    assert_eq!(credit(&app, &buyer).await.0, 200_000 - CALL);
    assert_eq!(list(&second).await.status, 200);
    assert_eq!(credit(&app, &buyer).await.0, 200_000 - 2 * CALL);
    let other = first
        .send(
            &app,
            Method::POST,
            "/lease/container",
            Some(json!({"runtimeMinutes": 5})),
            &key,
        )
        .await;
    assert_eq!(refusal(&other), (409, "payment_replayed"));
    books_balance(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_for_a_hundred_calls_buys_a_hundred_of_many_callers() {
    let app = Arc::new(service().await);
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 100_000, json!({})).await;
    // What is too much for a hundred calls is spent first.
    for _ in 0..(100_000 / CALL - 100) / 50 {
        let calls = (0..50).map(|_| keyed.list(&app));
        assert!(
            join_all(calls)
                .await
                .iter()
                .all(|answer| answer.status == 200)
        );
    }
    let callers = (0..64).map(|_| {
        let (app, keyed) = (Arc::clone(&app), keyed.clone());
        tokio::spawn(async move {
            let mut told = Vec::new();
            for _ in 0..3 {
                told.push(keyed.list(&app).await.status.as_u16());
            }
            told
        })
    });
    let told: Vec<u16> = join_all(callers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    let count = |status| told.iter().filter(|found| **found == status).count();
    assert_eq!((count(200), count(402), told.len()), (100, 92, 192));
    assert_eq!(credit(&app, &buyer).await, (0, 0));
    books_balance(&app).await;
}
