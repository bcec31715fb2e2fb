//! API keys: made, limited, bound, switched off, revoked.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Keyed, books_balance, credit, keyed, refusal, service};
use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    console::client,
    guest::Guest,
    support::TestApp,
};

async fn with(
    app: &TestApp,
    session: &SignedIn,
    method: Method,
    path: &str,
    body: Value,
) -> Answer {
    let bearer = [("authorization", format!("Bearer {}", session.0))];
    call(app, &method, path, Some(&body), &bearer).await
}

async fn made(app: &TestApp, session: &SignedIn, body: Value) -> (Keyed, String) {
    let made = with(app, session, Method::POST, "/keys", body).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (Keyed { key: text("key") }, text("id"))
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_digest() {
    let app = service().await;
    let session = Buyer::new(1).sign_in(&app).await;
    let (keyed, id) = made(&app, &session, json!({"name": "ci", "limitTotal": "500"})).await;
    let path = format!("/keys/{id}");
    for seen in [
        session.get(&app, &path).await,
        session.get(&app, "/keys").await,
        keyed.get(&app, "/keys/current").await,
    ] {
        assert_eq!(seen.status, 200, "{:?}", seen.body);
        assert!(!seen.body.to_string().contains(&keyed.key[6..]));
    }
    let seen = session.get(&app, &path).await.body;
    assert_eq!(
        (&seen["prefix"], &seen["name"]),
        (&json!(format!("i402t_{id}")), &json!("ci"))
    );
    assert_eq!(
        seen["scopes"],
        json!(["lease", "renew", "exec", "files", "power", "read"])
    );
    assert_eq!(seen["remaining"], "0", "its wallet has no credit");
    let stored = std::fs::read(app.database()).unwrap();
    let digits = &keyed.key.as_bytes()[6..];
    assert!(!stored.windows(digits.len()).any(|part| part == digits));
    let stranger = Buyer::new(2).sign_in(&app).await;
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(stranger.call(&app, method, &path).await.status, 404);
    }
}

#[tokio::test]
async fn what_is_no_good_key_opens_nothing() {
    let app = service().await;
    let session = Buyer::new(1).sign_in(&app).await;
    let (keyed, id) = made(&app, &session, json!({})).await;
    let refused = async |key: &str, code: &str| {
        for path in ["/leases", "/management/list"] {
            let answer = Keyed {
                key: key.to_owned(),
            }
            .get(&app, path)
            .await;
            assert_eq!(refusal(&answer), (401, code), "{path}");
            assert!(!answer.body.to_string().contains(&key[6..]));
        }
    };
    let key = keyed.key.clone();
    let last = if key.ends_with('0') { "1" } else { "0" };
    let reads = app.app.store.reads();
    refused(&format!("{}{last}", &key[..key.len() - 1]), "unauthorized").await;
    assert_eq!(app.app.store.reads(), reads, "a typo is not looked up");
    refused(&key.replace("i402t_", "i402_"), "unauthorized").await;
    refused("i402t_00112233445566778899aabbccddeeff", "unauthorized").await;
    let foreign = Keyed {
        key: key.replace("i402t_", "e2b_"),
    };
    assert_eq!(
        foreign.get(&app, "/leases").await.status,
        200,
        "the same key by another prefix"
    );
    let off = with(
        &app,
        &session,
        Method::PATCH,
        &format!("/keys/{id}"),
        json!({"disabled": true}),
    )
    .await;
    assert_eq!(off.body["disabled"], true);
    refused(&key, "key_revoked").await;
    with(
        &app,
        &session,
        Method::PATCH,
        &format!("/keys/{id}"),
        json!({"disabled": false}),
    )
    .await;
    assert_eq!(keyed.get(&app, "/leases").await.status, 200);
    for _ in 0..2 {
        let gone = session
            .call(&app, Method::DELETE, &format!("/keys/{id}"))
            .await;
        assert!(gone.body["revokedAt"].is_string(), "{:?}", gone.body);
    }
    refused(&key, "key_revoked").await;
    let changed = with(
        &app,
        &session,
        Method::PATCH,
        &format!("/keys/{id}"),
        json!({"disabled": false}),
    )
    .await;
    assert_eq!(refusal(&changed), (401, "key_revoked"));
    let soon = service::clock::Clock::unix_seconds(&app.clock) + 60;
    let (short, _) = made(
        &app,
        &session,
        json!({"expiresAt": api_types::Timestamp(soon)}),
    )
    .await;
    assert_eq!(short.get(&app, "/leases").await.status, 200);
    app.clock.advance(Duration::from_secs(61));
    refused(&short.key, "key_expired").await;
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_on_the_lease_that_it_is_bound_to() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let all = keyed(&app, &buyer, 1_000_000, json!({})).await;
    let leases = [
        all.lease(&app, 30).await.body,
        all.lease(&app, 30).await.body,
    ];
    let session = buyer.sign_in(&app).await;
    let (reader, _) = made(&app, &session, json!({"scopes": ["read"]})).await;
    let ctid = &leases[0]["ctid"];
    let exec = format!("/management/exec/{ctid}");
    let command = || Some(json!({"command": "true"}));
    let before = credit(&app, &buyer).await;
    let refused = reader.send(&app, Method::POST, &exec, command(), &[]).await;
    assert_eq!(refusal(&refused), (403, "key_scope"));
    for (method, path) in [
        (Method::POST, format!("/lease/{ctid}/stop")),
        (Method::DELETE, format!("/lease/{ctid}")),
        (Method::POST, "/keys".to_owned()),
        (Method::GET, "/keys".to_owned()),
        (Method::DELETE, "/session".to_owned()),
    ] {
        let answer = reader.send(&app, method.clone(), &path, None, &[]).await;
        assert_eq!(refusal(&answer), (403, "key_scope"), "{method} {path}");
    }
    assert_eq!(
        all.send(&app, Method::DELETE, &format!("/lease/{ctid}"), None, &[])
            .await
            .status,
        403
    );
    let own = leases[0]["leaseId"].as_str().unwrap();
    let (bound, _) = made(&app, &session, json!({"leaseId": own})).await;
    assert_eq!(
        bound
            .send(&app, Method::POST, &exec, command(), &[])
            .await
            .status,
        200
    );
    let shown = bound.get(&app, "/leases").await.body;
    assert_eq!(shown["leases"].as_array().unwrap().len(), 1);
    assert_eq!(bound.get(&app, &format!("/leases/{own}")).await.status, 200);
    let other = (leases[1]["leaseId"].as_str().unwrap(), &leases[1]["ctid"]);
    for answer in [
        bound.get(&app, &format!("/leases/{}", other.0)).await,
        bound
            .send(
                &app,
                Method::POST,
                &format!("/lease/{}/stop", other.1),
                None,
                &[],
            )
            .await,
        bound
            .send(
                &app,
                Method::POST,
                &format!("/management/exec/{}", other.1),
                command(),
                &[],
            )
            .await,
        bound.lease(&app, 30).await,
        bound.list(&app).await,
        bound.get(&app, "/payments").await,
        bound.get(&app, "/credit").await,
    ] {
        assert_eq!(refusal(&answer), (403, "key_scope"));
    }
    assert_eq!(credit(&app, &buyer).await, (before.0 - super::CALL, 0));
    books_balance(&app).await;
}

#[tokio::test]
async fn a_keys_limit_is_a_403_that_says_when_it_resets() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let keyed = keyed(
        &app,
        &buyer,
        1_000_000,
        json!({"limitDay": "250", "limitCall": "200"}),
    )
    .await;
    let dear = keyed.lease(&app, 30).await;
    assert_eq!(refusal(&dear), (403, "key_limit_exceeded"));
    assert_eq!(dear.body["error"]["details"]["limit"], "call");
    for _ in 0..2 {
        assert_eq!(keyed.list(&app).await.status, 200);
    }
    let told = keyed.list(&app).await;
    assert_eq!(refusal(&told), (403, "key_limit_exceeded"));
    let details = &told.body["error"]["details"];
    assert_eq!(
        (&details["limit"], &details["remaining"]),
        (&json!("day"), &json!("50"))
    );
    assert!(
        details["resetsAt"]
            .as_str()
            .unwrap()
            .ends_with("T00:00:00Z")
    );
    assert_eq!(
        keyed.get(&app, "/keys/current").await.body["remaining"],
        "50"
    );
    app.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(keyed.list(&app).await.status, 200, "the next day");
    books_balance(&app).await;
}

#[tokio::test]
async fn a_refused_wallet_buys_nothing_from_its_credit() {
    let mut app = service().await;
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 100_000, json!({})).await;
    let wallet = buyer.wallet().to_string();
    app.restart_with(&[("REFUSED_WALLETS", &wallet)]).await;
    assert_eq!(refusal(&keyed.list(&app).await), (403, "forbidden"));
    assert_eq!(credit(&app, &buyer).await, (100_000, 0));
}

#[tokio::test]
async fn a_console_closes_when_the_key_is_revoked_that_opened_it() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let keyed = keyed(&app, &buyer, 1_000_000, json!({})).await;
    let leased = keyed.lease(&app, 30).await;
    let ctid = u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap();
    let guest = Guest { app, buyer, ctid };
    let bought = keyed
        .send(&guest.app, Method::POST, &guest.console_path(), None, &[])
        .await;
    assert_eq!(bought.status, 200, "{:?}", bought.body);
    let mut console = client::connect(&guest, bought.body["ticket"].as_str().unwrap()).await;
    let resume = console.opened(&guest).await;
    console.says("echo there", "one").await;
    let session = guest.buyer.sign_in(&guest.app).await;
    let id = &keyed.key[6..14];
    let gone = session
        .call(&guest.app, Method::DELETE, &format!("/keys/{id}"))
        .await;
    assert_eq!(gone.status, 200);
    let (code, reason) = console.closed().await;
    assert_eq!(code, 4403, "{reason}");
    let (code, _) = client::connect(&guest, &resume).await.closed().await;
    assert!([4401, 4403].contains(&code), "{code}");
}
