//! A small paid service, built from this crate's parts as a real one is, and a buyer that uses this
//! crate's client with either version.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use alloy::signers::local::PrivateKeySigner;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use x402::{
    check,
    facilitator::{
        Facilitator as _, Settlement, Verification,
        demo::DemoFacilitator,
        ledger::{Ledger as _, MemoryLedger},
    },
    payment::{Payment, Version},
    wire::header,
};

use crate::client::{PUBLIC_KEY_0, client, http, offer};

struct Shop {
    facilitator: DemoFacilitator<MemoryLedger>,
    /// Whether the service speaks version 2.
    v2: bool,
    sold: AtomicU32,
}

impl Shop {
    fn challenge(&self, error: &str) -> Response {
        let body = serde_json::to_string(&offer().v1_body(error)).unwrap();
        let mut response = (StatusCode::PAYMENT_REQUIRED, body).into_response();
        if self.v2 {
            let value = offer().v2_header(error).parse().unwrap();
            let name = HeaderName::from_static(header::PAYMENT_REQUIRED);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

async fn buy(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> Response {
    let all =
        |name: &str| -> Vec<&[u8]> { headers.get_all(name).iter().map(|v| v.as_bytes()).collect() };
    let payment = Payment::from_headers(&all(header::PAYMENT_SIGNATURE), &all(header::X_PAYMENT));
    let payment = match payment {
        Ok(Some(payment)) => payment,
        Ok(None) => return shop.challenge("Payment required"),
        Err(reason) => return shop.challenge(&reason.code),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let offer = offer();
    let checked = offer.match_payment(&payment).and_then(|()| {
        match check::signer(&payment, offer.network)? {
            check::Signer::Account(_) => check::terms(&payment, &offer, now, 20),
            check::Signer::Unproven => Err(check::not_the_payers()),
        }
    });
    if let Err(reason) = checked {
        return shop.challenge(&reason.code);
    }
    let request = offer.facilitator_request(&payment).unwrap();
    match shop.facilitator.verify(&request).await.unwrap() {
        Verification::Invalid { reason, .. } => return shop.challenge(&reason),
        Verification::Valid { .. } => {}
    }
    let Settlement::Settled { receipt, .. } = shop.facilitator.settle(&request).await else {
        return shop.challenge("unexpected_settle_error");
    };
    shop.sold.fetch_add(1, Ordering::Relaxed);
    let name = match payment.version() {
        Version::V1 => header::X_PAYMENT_RESPONSE,
        Version::V2 => header::PAYMENT_RESPONSE,
    };
    ([(name, header::encode(&receipt))], body).into_response()
}

async fn open(v2: bool) -> (Arc<Shop>, String) {
    let facilitator = DemoFacilitator::new(offer().network, MemoryLedger::default()).unwrap();
    let shop = Arc::new(Shop {
        facilitator,
        v2,
        sold: AtomicU32::new(0),
    });
    let router = Router::new()
        .route("/thing", post(buy))
        .with_state(Arc::clone(&shop));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/thing", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (shop, url)
}

fn payer() -> PrivateKeySigner {
    PUBLIC_KEY_0.parse().unwrap()
}

#[tokio::test]
async fn the_client_buys_in_version_2_where_it_is_offered_and_else_in_version_1() {
    for (v2, network) in [(true, "eip155:84532"), (false, "base-sepolia")] {
        let (shop, url) = open(v2).await;
        shop.facilitator.ledger().fund(payer().address(), 10_000);
        let paid = client()
            .send(http().post(url).body("for you"))
            .await
            .unwrap();
        assert_eq!(paid.response.status(), 200);
        assert_eq!(paid.paid, Some(8_900));
        let receipt = paid.receipt.unwrap();
        assert_eq!((receipt.success, receipt.network.as_str()), (true, network));
        assert_eq!(paid.response.text().await.unwrap(), "for you");
        let ledger = shop.facilitator.ledger();
        assert_eq!(ledger.balance(payer().address()).await.unwrap(), 1_100);
        assert_eq!(ledger.balance(offer().pay_to).await.unwrap(), 8_900);
        assert_eq!(shop.sold.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_buyer_without_money_gets_the_reason_and_nothing_else() {
    let (shop, url) = open(true).await;
    let paid = client().send(http().post(url)).await.unwrap();
    assert_eq!(paid.response.status(), 402);
    let challenge = x402::client::read_challenge(paid.response).await.unwrap();
    assert_eq!(
        challenge.error(),
        Some("invalid_exact_evm_insufficient_balance")
    );
    assert_eq!(shop.sold.load(Ordering::Relaxed), 0);
}
