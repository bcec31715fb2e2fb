//! The paying client against misbehaving servers.

use std::{error::Error as _, time::Duration};

use alloy::primitives::Address;
use x402::{
    client::{ClientError, DeliveryPolicy, MAX_CHALLENGE, PayingClient},
    network::Network,
    offer::Offer,
    payment::Payment,
    purchase::ChoiceError,
    wire::Rest,
};

use crate::scripted::{Scripted, Seen, Step};

/// Public development key 0 of hardhat and anvil, which holds nothing anywhere.
pub const PUBLIC_KEY_0: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

pub fn client() -> PayingClient {
    PayingClient::builder(http(), PUBLIC_KEY_0.parse().unwrap())
        .max_price(10_000)
        .networks(["base-sepolia"])
        .delivery(DeliveryPolicy {
            attempts: 3,
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(20),
        })
        .build()
}

pub fn offer() -> Offer {
    Offer {
        network: Network::by_name("base-sepolia").unwrap(),
        amount: 8_900,
        pay_to: Address::repeat_byte(0x70),
        max_timeout_seconds: 300,
        resource: "https://host.example/thing".into(),
        description: "a thing".into(),
        mime_type: "application/json".into(),
        method: "POST".into(),
        upfront: false,
        extensions: Rest::new(),
    }
}

fn v2_challenge() -> Step {
    Step::Answer(
        402,
        vec![("payment-required", offer().v2_header("pay"))],
        "{}".into(),
    )
}

fn payment(seen: &Seen) -> Payment {
    let value = seen.header("payment-signature").unwrap();
    Payment::from_headers(&[value.as_bytes()], &[])
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn after_a_lost_answer_the_very_same_signature_and_key_are_sent_again() {
    let server = Scripted::start(vec![
        v2_challenge(),
        Step::HangUp,
        Step::Answer(503, vec![("retry-after", "1".into())], String::new()),
        Step::Answer(201, vec![], "done".into()),
    ])
    .await;
    let request = http().post(&server.url).body("{\"a\":1}");
    let paid = client().send(request).await.unwrap();
    assert_eq!(paid.response.status(), 201);
    assert_eq!((paid.receipt, paid.paid), (None, None));
    let seen = server.finish().await;
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[0].header("payment-signature"), None);
    for copy in &seen[1..] {
        assert_eq!(copy.body, "{\"a\":1}");
        assert_eq!(payment(copy), payment(&seen[1]));
        assert_eq!(
            copy.header("idempotency-key"),
            seen[0].header("idempotency-key")
        );
    }
    assert!(seen[0].header("idempotency-key").unwrap().len() >= 16);
}

#[tokio::test]
async fn a_payment_that_got_no_answer_is_handed_back_to_be_sent_again() {
    let server = Scripted::start(vec![
        v2_challenge(),
        Step::HangUp,
        Step::HangUp,
        Step::HangUp,
    ])
    .await;
    let request = http().get(&server.url).header("idempotency-key", "mine");
    let error = client().send(request).await.unwrap_err();
    let seen = server.finish().await;
    assert!(error.source().is_some());
    let ClientError::Lost {
        payment: lost,
        idempotency_key,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(*lost, payment(&seen[1]));
    assert_eq!(idempotency_key.as_deref(), Some("mine"));
}

#[tokio::test]
async fn a_second_402_is_returned_and_not_paid() {
    let server = Scripted::start(vec![v2_challenge(), v2_challenge()]).await;
    let paid = client().send(http().get(&server.url)).await.unwrap();
    assert_eq!(paid.response.status(), 402);
    assert_eq!(paid.paid, None);
    assert_eq!(server.finish().await.len(), 2);
}

#[tokio::test]
async fn nothing_is_signed_over_the_limit_on_another_network_or_for_an_unreadable_402() {
    let dear = Offer {
        amount: 10_001,
        ..offer()
    };
    let elsewhere = Offer {
        network: Network::by_name("base").unwrap(),
        ..offer()
    };
    let v1 = |offer: &Offer| {
        let body = serde_json::to_string(&offer.v1_body("pay")).unwrap();
        Step::Answer(402, vec![], body)
    };
    let unreadable = |body: String| Step::Answer(402, vec![], body);
    type Expected = fn(&ClientError) -> bool;
    let cases: [(Step, Expected); 5] = [
        (v1(&dear), |e| {
            matches!(
                e,
                ClientError::Choice(ChoiceError::TooExpensive {
                    amount: 10_001,
                    maximum: 10_000
                })
            )
        }),
        (v1(&elsewhere), |e| {
            matches!(e, ClientError::Choice(ChoiceError::Unacceptable { .. }))
        }),
        (unreadable("<html>".into()), |e| {
            matches!(e, ClientError::Challenge(_))
        }),
        (unreadable("x".repeat(MAX_CHALLENGE + 1)), |e| {
            matches!(e, ClientError::Challenge(_))
        }),
        (Step::Truncate, |e| matches!(e, ClientError::Unpaid(_))),
    ];
    for (step, expected) in cases {
        let server = Scripted::start(vec![step]).await;
        let error = client().send(http().get(&server.url)).await.unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert_eq!(server.finish().await.len(), 1);
    }
}

#[tokio::test]
async fn a_stream_is_refused_before_it_is_sent() {
    let stream =
        reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(vec![
            1,
        ])]));
    let request = http().post("http://127.0.0.1:1/").body(stream);
    let error = client().send(request).await.unwrap_err();
    assert!(matches!(error, ClientError::NotRepeatable));
}

#[test]
fn the_key_is_not_in_the_clients_debug_text() {
    let text = format!("{:?}", client());
    assert!(text.contains("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"));
    assert!(!text.contains(&PUBLIC_KEY_0[2..]));
}
