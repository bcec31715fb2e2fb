//! Tests of the facilitators; the remote one runs against a server with faulty responses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    routing::{get, post},
};

use super::{
    Facilitator, FacilitatorError, Settlement, Verification,
    demo::DemoFacilitator,
    http::{AuthHeaders, HttpFacilitator, MAX_ANSWER, Timeouts},
    ledger::{Ledger as _, MemoryLedger},
};
use crate::{
    network::Network,
    offer::FacilitatorRequest,
    reason::code,
    testing::{NOW, offer, paid_v1, paid_v2, payer},
};

fn request() -> FacilitatorRequest {
    offer().facilitator_request(&paid_v2(&offer())).unwrap()
}

fn demo(now: impl Fn() -> u64 + Send + Sync + 'static) -> DemoFacilitator<MemoryLedger> {
    let network = Network::by_name("base-sepolia").unwrap();
    let demo = DemoFacilitator::new(network, MemoryLedger::default())
        .unwrap()
        .with_clock(now);
    demo.ledger().fund(payer().address(), 10_000);
    demo
}

#[tokio::test]
async fn sixteen_copies_of_one_payment_move_the_money_once_with_one_transaction() {
    let demo = Arc::new(demo(|| NOW));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let demo = Arc::clone(&demo);
        tasks.spawn(async move { demo.settle(&request()).await });
    }
    let outcomes = tasks.join_all().await;
    assert!(
        matches!(&outcomes[0], Settlement::Settled { receipt: r, .. } if r.transaction.len() == 66)
    );
    assert!(outcomes.iter().all(|o| *o == outcomes[0]));
    assert_eq!(
        demo.ledger().balance(payer().address()).await.unwrap(),
        1_100
    );
    assert_eq!(demo.ledger().balance(offer().pay_to).await.unwrap(), 8_900);
}

#[tokio::test]
async fn both_versions_are_verified_and_the_receipt_uses_the_clients_network_name() {
    for (payment, network) in [
        (paid_v1(&offer()), "base-sepolia"),
        (paid_v2(&offer()), "eip155:84532"),
    ] {
        let (demo, request) = (demo(|| NOW), offer().facilitator_request(&payment).unwrap());
        let payer = Some(payer().address());
        assert_eq!(
            demo.verify(&request).await.unwrap(),
            Verification::Valid { payer }
        );
        assert!(
            matches!(demo.settle(&request).await, Settlement::Settled { receipt: r, .. } if r.network == network)
        );
    }
}

#[tokio::test]
async fn the_demo_refuses_an_empty_account_a_closed_window_and_a_tampered_amount() {
    let network = Network::by_name("base-sepolia").unwrap();
    let poor = DemoFacilitator::new(network, MemoryLedger::default())
        .unwrap()
        .with_clock(|| NOW);
    let mut tampered = request();
    tampered.payment_requirements["amount"] = "1".into();
    let cases = [
        (poor, request(), code::BALANCE),
        (demo(|| NOW + 301), request(), code::VALID_BEFORE),
        (demo(|| NOW - 601), request(), code::VALID_AFTER),
        (demo(|| NOW), tampered, code::VALUE),
    ];
    for (demo, request, expected) in cases {
        assert!(matches!(demo.verify(&request).await.unwrap(),
            Verification::Invalid { reason, .. } if reason == expected));
        assert!(matches!(demo.settle(&request).await,
            Settlement::Refused { reason, .. } if reason == expected));
    }
}

#[tokio::test]
async fn a_completed_transfer_stays_settled_after_its_window() {
    let early = demo(|| NOW);
    let first = early.settle(&request()).await;
    let late = early.with_clock(|| NOW + 10_000);
    assert_eq!(late.settle(&request()).await, first);
}

#[test]
fn play_money_is_refused_on_networks_with_real_money() {
    let base = Network::by_name("base").unwrap();
    assert!(DemoFacilitator::new(base, MemoryLedger::default()).is_err());
}

/// A facilitator at a server that always sends the same response.
async fn remote(status: u16, body: impl Into<String>, delay: Duration) -> HttpFacilitator {
    let (status, body) = (StatusCode::from_u16(status).unwrap(), body.into());
    let answer = move || {
        let body = body.clone();
        async move {
            tokio::time::sleep(delay).await;
            (status, [("retry-after", "7")], body)
        }
    };
    let router = Router::new()
        .route("/x/verify", post(answer.clone()))
        .route("/x/settle", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/x/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    client(&base)
}

fn client(base: &str) -> HttpFacilitator {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let short = Duration::from_millis(400);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    HttpFacilitator::new(
        base.parse().unwrap(),
        client,
        Timeouts {
            verify: short,
            settle: short,
        },
    )
}

#[tokio::test]
async fn only_a_success_with_a_transaction_is_settled_and_only_a_clear_refusal_is_refused() {
    let cases = [
        (
            200,
            r#"{"success":true,"transaction":"0xab","network":"base"}"#,
            "settled",
        ),
        (
            200,
            r#"{"success":true,"transaction":"","network":"base"}"#,
            "unknown",
        ),
        (
            500,
            r#"{"success":true,"transaction":"0xab","network":"base"}"#,
            "unknown",
        ),
        (
            200,
            r#"{"success":false,"errorReason":"insufficient_funds","transaction":"","network":"base"}"#,
            "refused",
        ),
        (
            400,
            r#"{"success":false,"errorReason":"invalid_payload","network":"base"}"#,
            "refused",
        ),
        (
            200,
            r#"{"success":false,"errorReason":"settlement_pending","transaction":"0xab","network":"base"}"#,
            "unknown",
        ),
        (
            200,
            r#"{"success":false,"errorReason":"whatever","transaction":"0xab","network":"base"}"#,
            "unknown",
        ),
        (
            200,
            r#"{"success":false,"errorReason":"invalid_exact_evm_nonce_already_used","transaction":"","network":"base"}"#,
            "unknown",
        ),
        // A crash after the broadcast gives this response, and so does a receipt timeout of an
        // older facilitator.
        (
            200,
            r#"{"success":false,"errorReason":"unexpected_settle_error","transaction":"","network":"base"}"#,
            "unknown",
        ),
        (
            200,
            r#"{"success":false,"transaction":"","network":"base"}"#,
            "unknown",
        ),
        (
            200,
            r#"{"success":false,"errorReason":"a reason of tomorrow","transaction":"","network":"base"}"#,
            "unknown",
        ),
        (
            500,
            r#"{"success":false,"errorReason":"insufficient_funds","transaction":"","network":"base"}"#,
            "unknown",
        ),
        (
            200,
            r#"{"success":false,"errorReason":"insufficient_funds","transaction":null,"network":null}"#,
            "refused",
        ),
        (
            200,
            r#"{"success":false,"errorReason":"insufficient_funds"}"#,
            "refused",
        ),
        (200, r#"{"success":true,"transaction":"0xab"}"#, "settled"),
        (200, r#"{"success":true,"transaction":null}"#, "unknown"),
        (502, "<html>", "unknown"),
        (200, "", "unknown"),
        (200, r#"{"success":tr"#, "unknown"),
    ];
    for (status, body, expected) in cases {
        let outcome = remote(status, body, Duration::ZERO)
            .await
            .settle(&request())
            .await;
        let seen = match outcome {
            Settlement::Settled { .. } => "settled",
            Settlement::Unsent { .. } => "unsent",
            Settlement::Refused { .. } => "refused",
            Settlement::Unknown { .. } => "unknown",
        };
        assert_eq!(seen, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn a_settlement_that_is_late_or_huge_is_unknown_and_one_without_a_connection_unsent() {
    let late = remote(200, "{}", Duration::from_secs(5)).await;
    let huge = remote(200, "x".repeat(MAX_ANSWER + 1), Duration::ZERO).await;
    let gone = client("http://127.0.0.1:1/");
    assert!(matches!(
        gone.settle(&request()).await,
        Settlement::Unsent { .. }
    ));
    assert!(gone.verify(&request()).await.is_err());
    for facilitator in [late, huge] {
        assert!(matches!(
            facilitator.settle(&request()).await,
            Settlement::Unknown { .. }
        ));
        assert!(facilitator.verify(&request()).await.is_err());
    }
}

#[tokio::test]
async fn a_verification_is_a_decision_with_any_status_unless_it_is_valid_with_an_error_status() {
    let no = remote(
        412,
        r#"{"isValid":false,"invalidReason":"permit2_allowance_required"}"#,
        Duration::ZERO,
    )
    .await;
    assert!(matches!(no.verify(&request()).await.unwrap(),
        Verification::Invalid { reason, .. } if reason == "permit2_allowance_required"));
    let odd = remote(500, r#"{"isValid":true}"#, Duration::ZERO).await;
    assert!(matches!(
        odd.verify(&request()).await,
        Err(FacilitatorError::Nonsense(_))
    ));
    let busy = remote(429, "slow down", Duration::ZERO).await;
    assert!(matches!(
        busy.verify(&request()).await,
        Err(FacilitatorError::RateLimited {
            retry_after: Some(7)
        })
    ));
}

#[test]
fn credentials_in_the_url_are_not_described() {
    let described = client("https://user:secret@host.example/x402?key=secret").describe();
    assert_eq!(described.url.as_deref(), Some("https://host.example/x402"));
}

#[tokio::test]
async fn supported_kinds_are_requested_once_and_cached() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let body = r#"{"kinds":[{"x402Version":1,"scheme":"exact","network":"base","extra":{"a":1}}]}"#;
    let answer = move |headers: HeaderMap| {
        let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        let known = headers.get("x-key").is_some_and(|key| key == "mine");
        async move {
            if first || !known {
                (StatusCode::BAD_GATEWAY, "<html>")
            } else {
                (StatusCode::OK, body)
            }
        }
    };
    let router = Router::new().route("/supported", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let facilitator = client(&base).with_auth(Arc::new(Mine));
    assert!(matches!(
        facilitator.supported().await,
        Err(FacilitatorError::Nonsense(_))
    ));
    let supported = facilitator.supported().await.unwrap();
    assert_eq!(
        serde_json::to_value(&supported.kinds[0]).unwrap()["extra"]["a"],
        1
    );
    assert_eq!(facilitator.supported().await.unwrap(), supported);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

struct Mine;

impl AuthHeaders for Mine {
    fn headers(&self, _: &reqwest::Method, _: &url::Url) -> Result<HeaderMap, String> {
        let key = (
            HeaderName::from_static("x-key"),
            HeaderValue::from_static("mine"),
        );
        Ok(HeaderMap::from_iter([key]))
    }
}
