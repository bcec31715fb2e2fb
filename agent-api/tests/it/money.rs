//! Promises about suspended calls and payments that hold for every request of a client.

use serde_json::{Value, json};

use crate::{
    agent::Agent,
    bodies,
    customer::Customer,
    fake_lease_api::{FakeLeaseApi, GivenResponse, ReceivedRequest, challenge, done},
    model::{Scripted, calls, words},
};

/// A lease API that leases for 8900 after a payment.
fn shop(asked: &ReceivedRequest) -> GivenResponse {
    match (asked.path.as_str(), asked.is_paid()) {
        ("/lease/quote", _) => (404, "{}".into()),
        ("/leases", _) => (401, "{}".into()),
        ("/management/list", false) => challenge("/management/list", 1000),
        ("/management/list", true) => done(&json!({"leases": []})),
        (path, false) => challenge(path, 8900),
        (_, true) => done(&bodies::leased(json!({}))),
    }
}

async fn asked(agent: &Agent, extra: Value) -> Value {
    let mut body = json!({ "message": "lease one for an hour" });
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    let asked = agent.chat(body).await;
    assert!(asked.body["pending"].is_string(), "{}", asked.body);
    asked.body
}

#[tokio::test]
async fn exactly_the_call_that_was_shown_is_sent() {
    let shop = FakeLeaseApi::start(shop).await;
    let agent = Agent::offline(&shop.url).await;
    let asked = asked(&agent, json!({})).await;
    let headers = Customer::new(1).sign(&asked["payment_request"]);
    let secrets = json!({"password": "correct horse 9"});
    let body = json!({"pending": asked["pending"], "payment_headers": headers, "secrets": secrets});
    agent.chat(body).await;

    let paid = shop.paid();
    assert_eq!(paid.len(), 1);
    let unpaid = shop
        .asked()
        .into_iter()
        .find(|call| call.path == "/lease/container")
        .unwrap();
    let shown = unpaid.body.strip_suffix('}').unwrap();
    assert_eq!(
        paid[0].body,
        format!(r#"{shown},"password":"correct horse 9"}}"#)
    );
    assert_eq!(
        (paid[0].method.as_str(), paid[0].path.as_str()),
        ("POST", "/lease/container")
    );
    let header = headers["x-payment"].as_str().unwrap();
    assert_eq!(
        paid[0].headers["x-payment"], header,
        "the signature passes through untouched"
    );
    assert!(
        paid[0].headers["idempotency-key"]
            .to_str()
            .unwrap()
            .starts_with("pending-")
    );
    let turn = asked["turn_id"].as_str().unwrap();
    assert!(
        shop.asked()
            .iter()
            .all(|call| call.headers["x-request-id"] == turn)
    );
}

#[tokio::test]
async fn a_pending_that_is_not_in_order_is_refused_and_nothing_is_sent() {
    let shop = FakeLeaseApi::start(shop).await;
    let agent = Agent::offline(&shop.url).await;
    let (one, other) = (Customer::new(1), Customer::new(2));
    let asked = asked(&agent, json!({ "wallet": one.wallet() })).await;
    let sealed = asked["pending"].as_str().unwrap();
    let good = one.sign(&asked["payment_request"]);
    let mut altered = sealed.to_owned();
    altered.replace_range(60..61, if &sealed[60..61] == "A" { "B" } else { "A" });
    let stranger = Agent::with(
        &shop.url,
        None,
        &[("AGENT_SECRET", "another secret of somebody")],
    )
    .await;
    let mut dearer = asked["payment_request"].clone();
    dearer["accepts"][0]["maxAmountRequired"] = "99999".into();
    let mut diverted = asked["payment_request"].clone();
    diverted["accepts"][0]["payTo"] = other.wallet().into();

    let cases = [
        (
            "altered",
            json!({"pending": altered, "payment_headers": good}),
            "invalid_pending",
        ),
        (
            "nonsense",
            json!({"pending": "AAAA", "payment_headers": good}),
            "invalid_pending",
        ),
        (
            "another wallet's payment",
            json!({"pending": sealed, "payment_headers": other.sign(&asked["payment_request"])}),
            "forbidden",
        ),
        (
            "another wallet",
            json!({"pending": sealed, "wallet": other.wallet(), "payment_headers": good}),
            "forbidden",
        ),
        (
            "another amount",
            json!({"pending": sealed, "payment_headers": one.sign(&dearer)}),
            "payment_invalid",
        ),
        (
            "another payee",
            json!({"pending": sealed, "payment_headers": one.sign(&diverted)}),
            "payment_invalid",
        ),
        (
            "garbage",
            json!({"pending": sealed, "payment_headers": {"X-PAYMENT": "garbage!"}}),
            "malformed_payment",
        ),
        ("no payment", json!({"pending": sealed}), "invalid_request"),
        (
            "a bad password",
            json!({"pending": sealed, "payment_headers": good, "secrets": {"password": "x"}}),
            "invalid_request",
        ),
        (
            "a yes",
            json!({"pending": sealed, "confirm": true}),
            "invalid_request",
        ),
    ];
    for (name, body, code) in cases {
        let refused = agent.chat(body).await;
        assert_eq!(refused.code(), code, "{name}: {}", refused.body);
    }
    let elsewhere = stranger
        .chat(json!({"pending": sealed, "payment_headers": good}))
        .await;
    assert_eq!(elsewhere.code(), "invalid_pending");
    assert_eq!(shop.paid().len(), 0);

    let taken = agent
        .chat(json!({"pending": sealed, "payment_headers": good}))
        .await;
    assert_eq!(
        taken.status, 200,
        "none of it used the call up: {}",
        taken.body
    );
}

#[tokio::test]
async fn what_the_customer_gives_up_is_not_done_and_cannot_be_paid_later() {
    let shop = FakeLeaseApi::start(shop).await;
    let agent = Agent::offline(&shop.url).await;
    let asked = asked(&agent, json!({})).await;
    let given_up = agent
        .chat(json!({"pending": asked["pending"], "cancel": "too dear"}))
        .await;
    assert_eq!(given_up.reply(), "All right, that was not done.");
    let late = json!({"pending": asked["pending"], "payment_headers": Customer::new(1).sign(&asked["payment_request"])});
    assert_eq!(agent.chat(late).await.code(), "invalid_pending");
    assert_eq!(shop.paid().len(), 0);
}

#[tokio::test]
async fn a_price_that_moved_is_shown_and_not_paid_in_silence() {
    let shop = FakeLeaseApi::start(|asked| match (asked.path.as_str(), asked.is_paid()) {
        ("/lease/quote", _) => (404, "{}".into()),
        (path, false) => challenge(path, 8900),
        (path, true) => challenge(path, 9900),
    })
    .await;
    let agent = Agent::offline(&shop.url).await;
    let asked = asked(&agent, json!({})).await;
    let customer = Customer::new(1);
    let body = json!({"pending": asked["pending"], "payment_headers": customer.sign(&asked["payment_request"])});
    let moved = agent.chat(body).await;
    assert_eq!(moved.body["payment_request"]["amount"], "9900");
    assert_eq!(moved.body["payment_request"]["price_changed"], true);
    assert_ne!(moved.body["pending"], asked["pending"]);
    assert_eq!(shop.paid().len(), 1);
}

#[tokio::test]
async fn the_service_relays_no_more_than_its_policy_allows() {
    let shop = FakeLeaseApi::start(shop).await;
    let strict = [
        [("MAX_PAYMENT_USD", "0.0088"), ("MAX_SESSION_USD", "50")],
        [
            (
                "ALLOWED_PAYEES",
                "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            ),
            ("MAX_SESSION_USD", "50"),
        ],
        [("ALLOWED_NETWORKS", "base"), ("MAX_SESSION_USD", "50")],
    ];
    for settings in strict {
        let agent = Agent::with(&shop.url, None, &settings).await;
        let refused = agent.say("lease one for an hour").await;
        assert_eq!(refused.body["payment_request"], Value::Null, "{settings:?}");
        assert!(
            refused.reply().contains("this service"),
            "{}",
            refused.reply()
        );
    }
    let agent = Agent::with(&shop.url, None, &[("MAX_SESSION_USD", "0.01")]).await;
    let customer = Customer::new(1);
    let (first, second) = (
        asked(&agent, json!({})).await,
        asked(&agent, json!({})).await,
    );
    let pay = |asked: &Value| json!({"pending": asked["pending"], "payment_headers": customer.sign(&asked["payment_request"])});
    assert_eq!(agent.chat(pay(&first)).await.status, 200);
    let over = agent.chat(pay(&second)).await;
    assert_eq!(
        (over.status, over.code()),
        (403, "forbidden"),
        "{}",
        over.body
    );
    assert_eq!(shop.paid().len(), 1);
}

#[tokio::test]
async fn a_call_that_ends_something_needs_the_customers_yes_and_session() {
    let leases = json!({ "leases": [bodies::lease(json!({}))] });
    let shop = FakeLeaseApi::start(move |asked| match asked.method.as_str() {
        "DELETE" => done(&bodies::lease(json!({"status": "destroyed"}))),
        _ => done(&leases),
    })
    .await;
    let ended = || {
        let mut asked = shop.asked();
        asked.retain(|call| call.method != "GET");
        asked
    };
    let agent = Agent::offline(&shop.url).await;
    let signed_out = agent.say("destroy container 100").await;
    assert!(
        signed_out.reply().contains("sign in"),
        "{}",
        signed_out.reply()
    );
    let asked = agent
        .chat(json!({"message": "destroy container 100", "session": "t0ken"}))
        .await;
    assert_eq!(asked.body["payment_request"], Value::Null);
    assert!(
        asked.reply().contains("Destroy container 100"),
        "{}",
        asked.reply()
    );
    assert_eq!(ended().len(), 0, "nothing happens before the yes");
    let said = agent
        .chat(
            json!({"pending": asked.body["pending"], "message": "yes, do it", "session": "t0ken"}),
        )
        .await;
    assert_eq!(ended().len(), 0, "words are no confirmation: {}", said.body);

    let asked = agent
        .chat(json!({"message": "destroy container 100", "session": "t0ken"}))
        .await;
    let gone = agent
        .chat(json!({"pending": asked.body["pending"], "confirm": true, "session": "t0ken"}))
        .await;
    assert_eq!(gone.reply(), "Container 100 is destroyed.");
    let calls = ended();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].headers["authorization"], "Bearer t0ken");
    assert_eq!(calls[0].path, "/lease/100");
}

#[tokio::test]
async fn a_customer_who_is_signed_in_lists_for_nothing() {
    let shop = FakeLeaseApi::start(|asked| match asked.path.as_str() {
        "/leases" if asked.headers.contains_key("authorization") => done(&json!({"leases": []})),
        path => challenge(path, 1000),
    })
    .await;
    let agent = Agent::offline(&shop.url).await;
    let listed = agent
        .chat(json!({"message": "list my containers", "session": "t0ken"}))
        .await;
    assert_eq!(listed.reply(), "You have no containers.");
    let priced = agent.say("list my containers").await;
    assert_eq!(priced.body["payment_request"]["amount"], "1000");
}

#[tokio::test]
async fn the_same_paid_call_twenty_times_is_one_payment_request() {
    let shop = FakeLeaseApi::start(shop).await;
    let lease = || ("lease_container", json!({"runtimeMinutes": 60}));
    let model = Scripted::saying([calls([(); 20].map(|()| lease())), words("Done.")]);
    let agent = Agent::with(&shop.url, Some(model), &[]).await;
    let asked = asked(&agent, json!({})).await;
    let customer = Customer::new(1);
    let body = json!({"pending": asked["pending"], "payment_headers": customer.sign(&asked["payment_request"])});
    let paid = agent.chat(body).await;
    assert_eq!(paid.reply(), "Done.");
    assert_eq!(shop.paid().len(), 1);
}
