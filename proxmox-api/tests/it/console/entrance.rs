//! Who may open a console, and which connections are refused.

use std::time::Duration;

use alloy::primitives::Address;
use reqwest::Method;
use serde_json::{Value, json};
use service::crypto;
use tokio_tungstenite::tungstenite::Message;

use super::client::{buy, connect, dial, open, ticket};
use crate::{
    buyer::{Buyer, call},
    guest::{CALL, Guest, plain_shell},
};

#[tokio::test]
async fn a_console_is_bought_with_a_ticket_of_our_own() {
    let guest = Guest::plain().await;
    let before = guest.balance().await;
    let body = buy(&guest).await;
    assert_eq!(guest.balance().await, before - CALL);
    let ticket = body["ticket"].as_str().unwrap();
    assert_eq!(ticket.len(), 64);
    let expected = json!({
        "ctid": guest.ctid, "consoleUrl": format!("http://lease.example/console#ticket={ticket}"),
        "websocketUrl": "ws://lease.example/console/ws", "ticket": ticket, "expiresAt": body["expiresAt"],
        "type": "terminal",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_with_its_ticket_to_the_holder_of_the_idempotency_key() {
    let guest = Guest::plain().await;
    let app = &guest.app;
    let signed = guest
        .buyer
        .sign(app, Method::POST, &guest.console_path(), None)
        .await;
    let signed = signed.with_key("a-key-of-the-client");
    let first = signed.send(app).await;
    let again = signed.send(app).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &first.body));
    let ticket = first.body["ticket"].as_str().unwrap();
    let file = std::fs::read(app.database()).unwrap();
    let log = std::fs::read(app.database().with_extension("sqlite-wal")).unwrap_or_default();
    for bytes in [file, log] {
        let found = bytes
            .windows(ticket.len())
            .any(|window| window == ticket.as_bytes());
        assert!(!found, "the store holds a ticket");
    }
}

#[tokio::test]
async fn only_the_owner_of_a_running_container_buys_a_console() {
    let guest = Guest::plain().await;
    let (app, path) = (&guest.app, guest.console_path());
    let stranger = Buyer::funded(app, 2).await;
    let answer = stranger.pay(app, Method::POST, &path, None).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"));
    let answer = call(app, &Method::POST, &path, Some(&json!({"tty": true})), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "invalid_request")
    );
    app.sim.kill_container(guest.ctid);
    let pay = guest.buyer.pay(app, Method::POST, &path, None);
    guest.refused(409, "lease_conflict", pay).await;
    app.clock.advance(Duration::from_secs(30 * 60 + 1));
    let pay = guest.buyer.pay(app, Method::POST, &path, None);
    guest.refused(409, "lease_conflict", pay).await;
}

#[tokio::test]
async fn a_ticket_works_once_in_time_and_for_its_wallet() {
    let guest = Guest::plain().await;
    let once = ticket(&guest).await;
    let mut console = connect(&guest, &once).await;
    console.opened(&guest).await;
    let (code, reason) = connect(&guest, &once).await.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (4401, "The ticket is unknown, used or too old.")
    );
    assert_eq!(connect(&guest, "nonsense").await.closed().await.0, 4401);
    console.says("echo", "usable").await;
    console.leave().await;

    let other = crate::buyer::Buyer::new(2).wallet();
    let now = guest.app.app.now();
    let store = &guest.app.app.store;
    let session = |wallet: Address| async move {
        let token = crypto::random_hex(16);
        let hash = crypto::sha256_hex(&token);
        store
            .create_session(&hash, &wallet.into(), now + 60, now)
            .await
            .unwrap();
        format!("Bearer {token}")
    };
    for (wallet, fits) in [(other, false), (guest.buyer.wallet(), true)] {
        let bearer = session(wallet).await;
        let mut client = dial(&guest, &[("authorization", &bearer)]).await.unwrap();
        client.send(json!({"ticket": ticket(&guest).await})).await;
        if fits {
            client.opened(&guest).await;
        } else {
            assert_eq!(client.closed().await.0, 4403);
        }
    }

    let late = ticket(&guest).await;
    guest.app.clock.advance(Duration::from_secs(31));
    assert_eq!(connect(&guest, &late).await.closed().await.0, 4401);
}

#[tokio::test]
async fn only_pages_that_are_known_may_connect() {
    let guest = Guest::plain().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://lease.example.evil",
        "https://lease.example",
    ] {
        assert_eq!(
            dial(&guest, &[("origin", origin)]).await.err(),
            Some(403),
            "{origin}"
        );
    }
    for origin in ["http://lease.example", "http://localhost:3000"] {
        let mut client = dial(&guest, &[("origin", origin)]).await.unwrap();
        client.send(json!({"ticket": ticket(&guest).await})).await;
        client.opened(&guest).await;
    }
    let plain = call(&guest.app, &Method::GET, "/console/ws", None, &[]).await;
    assert_eq!(
        (plain.status.as_u16(), plain.code()),
        (400, "invalid_request")
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_read_closes_its_connection_only() {
    let guest = Guest::plain().await;
    let first_messages = [
        Message::binary(b"ls\r".to_vec()),
        Message::text("hello"),
        Message::text("{}"),
        Message::text(json!({"ticket": 7}).to_string()),
        Message::text(json!({"ticket": "x", "resize": [0, 24]}).to_string()),
    ];
    for message in first_messages {
        let mut client = dial(&guest, &[]).await.unwrap();
        client.message(message).await;
        assert_eq!(client.closed().await.0, 4400);
    }
    let later = [
        (Message::text("hello"), 4400),
        (Message::text(json!({"resize": [80]}).to_string()), 4400),
        (Message::text(json!({"resize": [-1, 5]}).to_string()), 4400),
        (
            Message::text(json!({"resize": [1001, 5]}).to_string()),
            4400,
        ),
        (Message::binary(vec![b'x'; 64 * 1024 + 1]), 1009),
    ];
    for (message, code) in later {
        let (mut client, _) = open(&guest).await;
        client.message(message).await;
        assert_eq!(client.closed().await.0, code);
    }
    // A message that is far too long is not read; the connection breaks.
    let (mut client, _) = open(&guest).await;
    client.message(Message::binary(vec![b'x'; 2 << 20])).await;
    let (code, _) = client.closed().await;
    assert_eq!(code, 1002);
    let (mut client, _) = open(&guest).await;
    client.says("echo", "usable").await;
}

#[tokio::test]
async fn a_connection_without_a_ticket_is_not_kept() {
    let guest = Guest::plain().await;
    let client = dial(&guest, &[]).await.unwrap();
    let (code, reason) = client.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (4408, "No ticket came within three seconds.")
    );
}

/// Addresses as one of our proxies passes them on.
const BEHIND_A_PROXY: &[(&str, &str)] = &[("TRUSTED_PROXIES", "1")];

#[tokio::test]
async fn one_address_without_tickets_keeps_nobody_else_out() {
    let guest = Guest::with(plain_shell(), BEHIND_A_PROXY).await;
    let once = ticket(&guest).await;
    let mut waiting = Vec::new();
    for last in 1..=8 {
        let address = format!("2001:db8::{last}");
        let client = dial(&guest, &[("x-forwarded-for", &address)]).await;
        waiting.push(client.unwrap());
    }
    let one_more = dial(&guest, &[("x-forwarded-for", "2001:db8::9")]).await;
    assert_eq!(one_more.err(), Some(429));
    let other = dial(&guest, &[("x-forwarded-for", "192.0.2.7")]).await;
    let mut other = other.unwrap();
    other.send(json!({"ticket": once})).await;
    other.opened(&guest).await;
    for client in waiting {
        assert_eq!(client.closed().await.0, 4408);
    }
    let again = dial(&guest, &[("x-forwarded-for", "2001:db8::9")]).await;
    assert!(again.is_ok(), "they are not kept");
}

#[tokio::test]
async fn connections_without_a_ticket_take_no_permits() {
    let guest = Guest::with(plain_shell(), BEHIND_A_PROXY).await;
    let mut waiting = Vec::new();
    for number in 0..64 {
        let address = format!("192.0.2.{number}");
        let client = dial(&guest, &[("x-forwarded-for", &address)]).await;
        waiting.push(client.unwrap());
    }
    let one_more = dial(&guest, &[("x-forwarded-for", "192.0.2.64")]).await;
    assert_eq!(one_more.err(), Some(503));
    let consoles = &guest.app.app.consoles;
    let seats: Vec<_> = std::iter::from_fn(|| consoles.room_for(&"another-lease".into()))
        .take(999)
        .collect();
    assert_eq!(seats.len(), 256);
}

#[tokio::test]
async fn a_ticket_stays_valid_when_all_permits_are_taken() {
    let guest = Guest::plain().await;
    let consoles = &guest.app.app.consoles;
    let all: Vec<_> = std::iter::from_fn(|| consoles.room_for(&"another-lease".into())).collect();
    let once = ticket(&guest).await;
    for _ in 0..2 {
        let (code, reason) = connect(&guest, &once).await.closed().await;
        assert_eq!(
            (code, reason.as_str()),
            (1013, "Too many consoles are open; try again.")
        );
    }
    drop(all);
    let mut console = connect(&guest, &once).await;
    console.opened(&guest).await;
    assert_eq!(connect(&guest, &once).await.closed().await.0, 4401);
}

/// The status and the text of the page, whose policy is the same with and without the terminal.
async fn console_page(guest: &Guest) -> (u16, String) {
    let page = call(&guest.app, &Method::GET, "/console", None, &[]).await;
    let Value::String(html) = page.body else {
        panic!("{:?}", page.body)
    };
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("connect-src 'self' ws://lease.example/console/ws;"),
        "{policy}"
    );
    (page.status.as_u16(), html)
}

#[cfg(not(has_console_page))]
#[tokio::test]
async fn a_build_without_the_terminal_says_what_is_missing() {
    let (status, html) = console_page(&Guest::plain().await).await;
    assert_eq!(status, 501);
    assert!(html.contains("cargo xtask setup"));
}

#[tokio::test]
#[cfg_attr(
    not(has_console_page),
    ignore = "built without the console page: cargo xtask setup"
)]
async fn the_page_is_served_whole() {
    let guest = Guest::plain().await;
    let (status, html) = console_page(&guest).await;
    assert_eq!(status, 200);
    let start = html.find("console/").unwrap();
    let version = html[start..].split('/').nth(1).unwrap();
    for file in [
        "console.js",
        "connection.js",
        "xterm.mjs",
        "addon-fit.mjs",
        "console.css",
        "xterm.css",
    ] {
        let path = format!("/console/{version}/{file}");
        let found = call(&guest.app, &Method::GET, &path, None, &[]).await;
        assert_eq!(found.status, 200, "{file}");
        assert!(
            found.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
    let other = call(&guest.app, &Method::GET, "/console/0/console.js", None, &[]).await;
    assert_eq!((other.status.as_u16(), other.code()), (404, "not_found"));
}
