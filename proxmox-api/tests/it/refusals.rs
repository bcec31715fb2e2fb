//! Payments that do not match their request: each gets a clear answer, charges nothing, and leaves
//! no row.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use service::clock::Clock as _;
use x402::{
    eip3009,
    network::Network,
    purchase::{Challenge, SpendingLimits},
    wire::{exact::Authorization, header as wire},
};

use crate::{
    buyer::{Answer, Buyer, call},
    support::TestApp,
};

const LEASE: &str = "/lease/container";

fn body() -> Value {
    json!({"runtimeMinutes": 30})
}

struct Scene {
    app: TestApp,
    buyer: Buyer,
    balance: u64,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let buyer = Buyer::funded(&app, 1).await;
        let balance = app.balance(buyer.wallet()).await;
        Self {
            app,
            buyer,
            balance,
        }
    }

    async fn send(&self, headers: &[(&str, String)]) -> Answer {
        call(&self.app, &Method::POST, LEASE, Some(&body()), headers).await
    }

    async fn signed_header(&self) -> Value {
        let signed = self
            .buyer
            .sign(&self.app, Method::POST, LEASE, Some(body()))
            .await;
        let (_, value) = signed.payment.to_header();
        serde_json::from_slice(&STANDARD.decode(value).unwrap()).unwrap()
    }

    /// Checks that the payment is refused with 402 for a reason that contains `why`, and leaves no
    /// trace.
    async fn assert_refused(&self, what: &str, payment: &Value, why: &str) {
        let answer = self
            .send(&[(
                wire::PAYMENT_SIGNATURE,
                STANDARD.encode(payment.to_string()),
            )])
            .await;
        self.assert_402(what, &answer, why).await;
    }

    async fn assert_402(&self, what: &str, answer: &Answer, why: &str) {
        assert_eq!(answer.status, 402, "{what}: {:?}", answer.body);
        let said = answer.body["error"].as_str().unwrap_or_default();
        assert!(said.contains(why), "{what}: said {said:?}");
        assert!(answer.body["accepts"].is_array(), "{what}: a new offer");
        self.assert_untouched(what).await;
    }

    async fn assert_untouched(&self, what: &str) {
        assert_eq!(
            self.app.balance(self.buyer.wallet()).await,
            self.balance,
            "{what}"
        );
        assert!(self.app.sim.containers().is_empty(), "{what}");
        let rows = rusqlite::Connection::open(self.app.database())
            .unwrap()
            .query_row("SELECT count(*) FROM payments", [], |row| {
                row.get::<_, u32>(0)
            });
        assert_eq!(rows.unwrap(), 0, "{what}: a row is left behind");
    }
}

#[tokio::test]
async fn a_payment_that_was_tampered_with() {
    let scene = Scene::new().await;
    let good = scene.signed_header().await;
    let change = |path: &str, value: Value| {
        let mut changed = good.clone();
        *changed
            .pointer_mut(path)
            .unwrap_or_else(|| panic!("{path}")) = value;
        changed
    };
    let authorization = "/payload/authorization";
    for (what, payment) in [
        ("accepted amount", change("/accepted/amount", json!("1"))),
        (
            "accepted network",
            change("/accepted/network", json!("eip155:8453")),
        ),
        (
            "accepted asset",
            change(
                "/accepted/asset",
                json!("0x0000000000000000000000000000000000000001"),
            ),
        ),
        (
            "accepted payee",
            change(
                "/accepted/payTo",
                json!("0x0000000000000000000000000000000000000001"),
            ),
        ),
        ("accepted scheme", change("/accepted/scheme", json!("upto"))),
        (
            "value",
            change(&format!("{authorization}/value"), json!("1")),
        ),
        (
            "payee",
            change(
                &format!("{authorization}/to"),
                json!("0x0000000000000000000000000000000000000001"),
            ),
        ),
        (
            "payer",
            change(
                &format!("{authorization}/from"),
                json!("0x0000000000000000000000000000000000000001"),
            ),
        ),
        (
            "expired",
            change(&format!("{authorization}/validBefore"), json!("1000")),
        ),
        (
            "not yet valid",
            change(&format!("{authorization}/validAfter"), json!("99999999999")),
        ),
        (
            "too long",
            change(
                &format!("{authorization}/validBefore"),
                json!("99999999999"),
            ),
        ),
        (
            "nonce",
            change(
                &format!("{authorization}/nonce"),
                json!(format!("0x{}", "11".repeat(32))),
            ),
        ),
        (
            "signature of nothing",
            change(
                "/payload/signature",
                json!(format!("0x{}", "00".repeat(65))),
            ),
        ),
        (
            "short signature",
            change("/payload/signature", json!("0x00")),
        ),
    ] {
        scene.assert_refused(what, &payment, "").await;
    }
}

#[tokio::test]
async fn a_signature_in_its_other_form_is_not_another_payment() {
    let scene = Scene::new().await;
    let mut payment = scene.signed_header().await;
    let text = payment["payload"]["signature"].as_str().unwrap().to_owned();
    let signature: alloy::primitives::Signature = text.parse().unwrap();
    // n - s: the same key, the other half of the curve.
    let order = alloy::primitives::uint!(
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256
    );
    let high =
        alloy::primitives::Signature::new(signature.r(), order - signature.s(), !signature.v());
    payment["payload"]["signature"] = json!(format!("0x{}", alloy::hex::encode(high.as_bytes())));
    scene.assert_refused("high s", &payment, "").await;
}

#[tokio::test]
async fn a_payment_signed_for_other_terms() {
    let scene = Scene::new().await;
    let challenge = call(&scene.app, &Method::POST, LEASE, Some(&body()), &[]).await;
    let required = &challenge.headers[wire::PAYMENT_REQUIRED];
    let offered = Challenge::V2(wire::decode(required.as_bytes()).unwrap());
    let limits = SpendingLimits {
        max_amount: u64::MAX,
        networks: &["base-sepolia"],
    };
    let chosen = offered.choose(&limits).unwrap();
    let network = Network::by_name("base-sepolia").unwrap();
    let now = scene.app.clock.unix_seconds();
    let good = chosen.authorization(scene.buyer.wallet(), now, eip3009::random_nonce());
    for (what, message) in [
        (
            "less money",
            Authorization {
                value: good.value - alloy::primitives::U256::from(1),
                ..good.clone()
            },
        ),
        (
            "another payee",
            Authorization {
                to: scene.buyer.wallet(),
                ..good.clone()
            },
        ),
        (
            "a window that is over",
            Authorization {
                valid_before: alloy::primitives::U256::from(now - 1),
                ..good.clone()
            },
        ),
        (
            "a window that closes now",
            Authorization {
                valid_before: alloy::primitives::U256::from(now + 3),
                ..good.clone()
            },
        ),
        (
            "a window to come",
            Authorization {
                valid_after: alloy::primitives::U256::from(now + 100),
                ..good.clone()
            },
        ),
    ] {
        let signature = eip3009::sign(&scene.buyer.key, network, &network.usdc, &message).unwrap();
        let (name, value) = chosen.payment(message, signature, None).to_header();
        let answer = scene.send(&[(name, value)]).await;
        scene.assert_402(what, &answer, "").await;
    }
    let main = Network::by_name("base").unwrap();
    let signature = eip3009::sign(&scene.buyer.key, main, &main.usdc, &good).unwrap();
    let (name, value) = chosen.payment(good, signature, None).to_header();
    let answer = scene.send(&[(name, value)]).await;
    scene
        .assert_402("signed for the main network", &answer, "")
        .await;
}

#[tokio::test]
async fn headers_that_are_no_payment() {
    let scene = Scene::new().await;
    for garbage in [
        "",
        "!",
        "bm90aGluZw==",
        "e30=",
        "W10=",
        "eyJ4NDAyVmVyc2lvbiI6N30=",
    ] {
        for name in [wire::PAYMENT_SIGNATURE, wire::X_PAYMENT] {
            let answer = scene.send(&[(name, garbage.to_owned())]).await;
            scene
                .assert_402(&format!("{name}: {garbage}"), &answer, "")
                .await;
        }
    }
    let payment = STANDARD.encode(scene.signed_header().await.to_string());
    let twice = [
        (wire::PAYMENT_SIGNATURE, payment.clone()),
        (wire::PAYMENT_SIGNATURE, payment.clone()),
    ];
    let answer = scene.send(&twice).await;
    scene.assert_402("the same header twice", &answer, "").await;
    let deep = STANDARD.encode(format!("{}{}", "[".repeat(4_000), "]".repeat(4_000)));
    let answer = scene.send(&[(wire::PAYMENT_SIGNATURE, deep)]).await;
    scene.assert_402("deep JSON", &answer, "").await;
    let large = STANDARD.encode(vec![b' '; 24 * 1024]);
    let answer = scene.send(&[(wire::PAYMENT_SIGNATURE, large)]).await;
    scene.assert_402("an oversized header", &answer, "").await;
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused_before_any_price() {
    let scene = Scene::new().await;
    let payment = STANDARD.encode(scene.signed_header().await.to_string());
    let send = async |body: Vec<u8>| {
        let request = scene
            .app
            .http
            .post(format!("{}{LEASE}", scene.app.url))
            .header("content-type", "application/json")
            .header(wire::PAYMENT_SIGNATURE, &payment)
            .body(body);
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            response.json::<Value>().await.unwrap(),
        )
    };
    let deep = format!(
        "{{\"payload\":{}{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    for (body, status, code) in [
        (vec![b' '; 10 << 20], 413, "body_too_large"),
        (deep.into_bytes(), 400, "malformed_body"),
        (
            b"{\"runtimeMinutes\": 30, \"hostname\": \"\xff\"}".to_vec(),
            400,
            "malformed_body",
        ),
        (
            br#"{"runtimeMinutes": 30, "runtimeMinutes": 30}"#.to_vec(),
            400,
            "invalid_request",
        ),
        (
            br#"{"runtimeMinutes": 30, "cores": 9}"#.to_vec(),
            400,
            "invalid_request",
        ),
        (
            br#"{"runtimeMinutes": 1e99}"#.to_vec(),
            400,
            "invalid_request",
        ),
        (
            br#"{"runtimeMinutes": 30, "template": "nothing"}"#.to_vec(),
            400,
            "invalid_request",
        ),
        (b"[]".to_vec(), 400, "malformed_body"),
    ] {
        let (answered, said) = send(body).await;
        assert_eq!(
            (answered, said["error"]["code"].as_str().unwrap()),
            (status, code),
            "{said}"
        );
        scene.assert_untouched(code).await;
    }
}

#[tokio::test]
async fn an_idempotency_key_that_cannot_be_used_is_refused_before_anything_is_signed() {
    let scene = Scene::new().await;
    for key in ["", "two words", &"k".repeat(129)] {
        let answer = scene.send(&[("idempotency-key", key.to_owned())]).await;
        let code = &answer.body["error"]["code"];
        assert_eq!(
            (answer.status.as_u16(), code),
            (400, &json!("invalid_request")),
            "{key}"
        );
    }
    let longest = "k".repeat(128);
    let answer = scene.send(&[("idempotency-key", longest)]).await;
    assert_eq!(answer.status, 402);
}
