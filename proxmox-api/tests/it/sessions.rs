//! Signing in with a wallet.

use std::time::Duration;

use alloy::{
    primitives::{Bytes, hex},
    signers::SignerSync as _,
};
use axum::{Json, Router, routing::post};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    support::TestApp,
};

async fn sign_in(app: &TestApp, signed: &Value) -> Answer {
    call(app, &Method::POST, "/session", Some(signed), &[]).await
}

#[tokio::test]
async fn a_signed_text_opens_a_session_that_can_be_ended() {
    let app = TestApp::start().await;
    let buyer = Buyer::new(1);
    let session = sign_in(&app, &buyer.signed_text(&app).await).await;
    assert_eq!(session.status, 200, "{:?}", session.body);
    assert_eq!(session.headers["cache-control"], "private, no-store");
    assert_eq!(session.body["tokenType"], "Bearer");
    assert_eq!(session.body["wallet"], buyer.wallet().to_checksum(None));
    let token = SignedIn(session.body["token"].as_str().unwrap().to_owned());
    assert_eq!(token.get(&app, "/leases").await.body, json!({"leases": []}));

    let stored = std::fs::read(app.database()).unwrap();
    let clear = token.0.as_bytes();
    assert!(!stored.windows(clear.len()).any(|part| part == clear));

    assert_eq!(
        token.call(&app, Method::DELETE, "/session").await.status,
        204
    );
    let after = token.get(&app, "/leases").await;
    assert_eq!((after.status.as_u16(), after.code()), (401, "unauthorized"));
    assert_eq!(after.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_session_ends_by_itself_after_a_day() {
    let app = TestApp::start().await;
    let token = Buyer::new(1).sign_in(&app).await;
    app.clock.advance(Duration::from_secs(24 * 60 * 60 - 60));
    assert_eq!(token.get(&app, "/leases").await.status, 200);
    app.clock.advance(Duration::from_secs(120));
    assert_eq!(token.get(&app, "/leases").await.status, 401);
}

#[tokio::test]
async fn a_text_is_good_once_unchanged_in_time_and_for_its_own_wallet() {
    let app = TestApp::start().await;
    let (buyer, thief) = (Buyer::new(1), Buyer::new(2));
    let refused = |answer: Answer, why: &str| {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (401, "unauthorized"),
            "{why}"
        );
        assert!(
            !answer.body.to_string().contains("wants you to sign in"),
            "{why}"
        );
    };

    let signed = buyer.signed_text(&app).await;
    assert_eq!(sign_in(&app, &signed).await.status, 200);
    refused(sign_in(&app, &signed).await, "a second time");

    let signed = buyer.signed_text(&app).await;
    let copies = (sign_in(&app, &signed), sign_in(&app, &signed));
    let (one, two) = tokio::join!(copies.0, copies.1);
    let mut both = [one.status.as_u16(), two.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [200, 401], "two copies at once");

    let mut signed = buyer.signed_text(&app).await;
    let changed = signed["message"].as_str().unwrap().replace("84532", "8453");
    let signature = buyer.key.sign_message_sync(changed.as_bytes()).unwrap();
    signed["message"] = changed.into();
    signed["signature"] = signature.to_string().into();
    refused(sign_in(&app, &signed).await, "changed, though signed");

    let mut signed = buyer.signed_text(&app).await;
    let message = signed["message"].as_str().unwrap();
    let forged = thief.key.sign_message_sync(message.as_bytes()).unwrap();
    signed["signature"] = forged.to_string().into();
    refused(sign_in(&app, &signed).await, "by another wallet");

    for garbage in ["", "0x", "0x12", "zz", &format!("0x{}", "00".repeat(65))] {
        let mut signed = buyer.signed_text(&app).await;
        signed["signature"] = garbage.into();
        refused(sign_in(&app, &signed).await, garbage);
    }

    let signed = buyer.signed_text(&app).await;
    app.clock.advance(Duration::from_secs(301));
    refused(sign_in(&app, &signed).await, "too late");
}

#[tokio::test]
async fn wrong_fields_are_all_named() {
    let app = TestApp::start().await;
    let ask = json!({"address": 7, "chainId": "base", "colour": "red"});
    let answer = call(&app, &Method::POST, "/session/challenge", Some(&ask), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "invalid_request")
    );
    let fields = answer.body["error"]["details"]["fields"]
        .as_array()
        .unwrap();
    assert_eq!(fields.len(), 3, "{fields:?}");
    for address in ["", "0x12", "70997970C51812dc3A010C7d01b50e0d17dc79C8"] {
        let ask = json!({"address": address});
        let answer = call(&app, &Method::POST, "/session/challenge", Some(&ask), &[]).await;
        assert_eq!(
            answer.body["error"]["details"]["fields"][0]["field"],
            "address"
        );
    }
}

#[tokio::test]
async fn the_text_names_the_page_that_asks_if_it_may() {
    let shop = "https://shop.example";
    let app = TestApp::with(&[("ALLOWED_ORIGINS", shop)]).await;
    let ask = json!({"address": Buyer::new(1).wallet(), "chainId": 1});
    for (origin, domain, uri) in [
        (shop, "shop.example", shop),
        (
            "https://evil.example",
            "lease.example",
            "http://lease.example",
        ),
    ] {
        let headers = [("origin", origin.to_owned())];
        let answer = call(
            &app,
            &Method::POST,
            "/session/challenge",
            Some(&ask),
            &headers,
        )
        .await;
        let text = answer.body["message"].as_str().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let first = format!("{domain} wants you to sign in with your Ethereum account:");
        assert_eq!(lines[0], first);
        assert_eq!(lines[5], format!("URI: {uri}"));
        assert_eq!(lines[7], "Chain ID: 1");
        let nonce = answer.body["nonce"].as_str().unwrap();
        assert_eq!(lines[8], format!("Nonce: {nonce}"));
    }
}

#[tokio::test]
async fn too_many_challenges_are_put_off_for_a_while() {
    let app = TestApp::with(&[("FREE_CALLS_PER_MINUTE", "3")]).await;
    let ask = json!({"address": Buyer::new(1).wallet()});
    let challenge = async || call(&app, &Method::POST, "/session/challenge", Some(&ask), &[]).await;
    for _ in 0..3 {
        assert_eq!(challenge().await.status, 200);
    }
    let late = challenge().await;
    assert_eq!((late.status.as_u16(), late.code()), (429, "rate_limited"));
    let wait: u64 = late.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    app.clock.advance(Duration::from_secs(wait));
    assert_eq!(challenge().await.status, 200);
}

/// A node that knows one wallet: a contract that accepts every signature beginning with `0x5afe`.
async fn node_with_contract_wallet() -> String {
    let answer = async |Json(ask): Json<Value>| {
        if ask["method"] == "eth_getCode" {
            return Json(json!({"jsonrpc": "2.0", "id": 1, "result": "0x01"}));
        }
        let input: Bytes = ask["params"][0]["input"].as_str().unwrap().parse().unwrap();
        // Selector, hash, offset, length, then the signature.
        let good = input[..4] == hex!("1626ba7e") && input[100..102] == hex!("5afe");
        let word = if good {
            hex!("1626ba7e")
        } else {
            hex!("ffffffff")
        };
        let result = format!("0x{}{}", hex::encode(word), "00".repeat(28));
        Json(json!({"jsonrpc": "2.0", "id": 1, "result": result}))
    };
    let router = Router::new().route("/", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_wallet_that_is_a_contract_is_asked_about_its_signature() {
    let node = node_with_contract_wallet().await;
    let app = TestApp::with(&[("RPC_URL", &node)]).await;
    let contract = Buyer::new(3);
    for (signature, status) in [("0x5afe01020304", 200), ("0x0102030405", 401)] {
        let mut signed = contract.signed_text(&app).await;
        signed["signature"] = signature.into();
        let answer = sign_in(&app, &signed).await;
        assert_eq!(answer.status, status, "{:?}", answer.body);
    }
    let mut signed = contract.signed_text(&app).await;
    signed["signature"] = format!("0x5afe{}", "00".repeat(5000)).into();
    assert_eq!(sign_in(&app, &signed).await.status, 401, "longer than any");
}

#[tokio::test]
async fn a_node_that_is_away_is_no_refusal() {
    let app = TestApp::with(&[("RPC_URL", "http://127.0.0.1:9")]).await;
    let mut signed = Buyer::new(3).signed_text(&app).await;
    signed["signature"] = "0x5afe".into();
    let answer = sign_in(&app, &signed).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "unavailable")
    );
}
