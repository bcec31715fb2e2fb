//! From a sentence to a paid, running container.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    agent::Agent,
    market::Market,
    model::{Scripted, calls, words},
};

const LEASE: &str = "Lease 1 core, 512 MB for an hour, named box";

#[tokio::test]
async fn a_sentence_becomes_a_paid_running_container() {
    let market = Market::open().await;
    let (agent, customer) = (Agent::offline(&market.url).await, market.customer(1).await);
    let before = market.balance(&customer).await;

    let asked = agent.say(LEASE).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let request = &asked.body["payment_request"];
    assert_eq!(request["x402Version"], 1);
    assert_eq!(request["call"]["path"], "/lease/container");
    assert_eq!(request["call"]["body"]["hostname"], "box");
    assert_eq!(request["network"], "base-sepolia");
    assert_eq!(request["needs_credential"], true);
    assert_eq!(
        request["price"]["total"], request["amount"],
        "with its lines: {request}"
    );
    assert!(asked.reply().contains("USDC"), "{}", asked.reply());
    assert_eq!(
        market.balance(&customer).await,
        before,
        "asking costs nothing"
    );

    let paid = agent
        .chat(json!({
            "pending": asked.body["pending"], "payment_headers": customer.sign(request),
            "secrets": {"password": "correct horse 9"},
        }))
        .await;
    assert_eq!(paid.status, 200, "{}", paid.body);
    let lease = paid.result();
    assert_eq!(market.status(lease).as_deref(), Some("running"));
    assert!(
        paid.reply().contains(&lease["ctid"].to_string()),
        "{}",
        paid.reply()
    );
    assert_eq!(
        lease["password"],
        Value::Null,
        "the customer's own is not sent back"
    );
    let price: u64 = request["amount"].as_str().unwrap().parse().unwrap();
    assert_eq!(market.balance(&customer).await, before - price);
    let done = paid.body["events"].as_array().unwrap().last().unwrap();
    assert_eq!(done["receipt"]["success"], true);
    assert_eq!(paid.body["turn_id"], asked.body["turn_id"]);
}

#[tokio::test]
async fn a_signed_in_customer_is_told_what_a_container_has_sent() {
    let market = Market::open().await;
    let (agent, customer) = (Agent::offline(&market.url).await, market.customer(1).await);
    let asked = agent.say(LEASE).await;
    let paid = agent
        .chat(json!({
            "pending": asked.body["pending"], "payment_headers": customer.sign(&asked.body["payment_request"]),
            "secrets": {"password": "correct horse 9"},
        }))
        .await;
    let ctid = paid.result()["ctid"].as_u64().unwrap();
    let session = market.sign_in(&customer).await;
    let message = format!("how much traffic has container {ctid} used?");
    let told = agent
        .chat(json!({"message": message, "session": session}))
        .await;
    assert_eq!(
        told.reply(),
        format!("Container {ctid} has sent 0 bytes of the 20 GiB that are included."),
        "{}",
        told.body
    );
    let stranger = agent.say(&message).await;
    assert!(!stranger.reply().contains("has sent"), "{}", stranger.body);
}

#[tokio::test]
async fn the_same_as_a_stream_event_by_event() {
    let market = Market::open().await;
    let (agent, customer) = (Agent::offline(&market.url).await, market.customer(2).await);
    let names = |events: &[(String, Value)]| {
        events
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };

    let asked = agent.stream(json!({ "message": LEASE })).await;
    assert_eq!(names(&asked), ["tool_start", "payment_required", "final"]);
    let (_, wanted) = &asked[1];
    assert_eq!(wanted["type"], "payment_required");
    let paid = agent
        .stream(json!({
            "pending": wanted["pending"], "payment_headers": customer.sign_v1(&wanted["request"]),
        }))
        .await;
    assert_eq!(names(&paid), ["tool_start", "tool_done", "token", "final"]);
    let (_, done) = &paid[1];
    assert_eq!(market.status(&done["result"]).as_deref(), Some("running"));
    assert!(
        done["result"]["password"].is_string(),
        "the API made one, once"
    );
    assert_eq!(done["id"], wanted["id"]);
    let (_, last) = &paid[3];
    assert!(last["reply"].as_str().unwrap().contains("runs"));
}

#[tokio::test]
async fn a_turn_begins_on_one_replica_and_ends_on_another() {
    let market = Market::open().await;
    let (one, other) = (
        Agent::offline(&market.url).await,
        Agent::offline(&market.url).await,
    );
    let customer = market.customer(3).await;
    let asked = one.say(LEASE).await;
    let body = json!({
        "pending": asked.body["pending"], "payment_headers": customer.sign(&asked.body["payment_request"]),
    });
    let paid = other.chat(body.clone()).await;
    assert_eq!(market.status(paid.result()).as_deref(), Some("running"));
    let again = one.chat(body).await;
    assert_eq!(
        again.result(),
        paid.result(),
        "the first replica gives the second one's answer"
    );
}

#[tokio::test]
async fn a_lost_answer_is_given_again_without_a_second_charge() {
    let market = Market::open().await;
    let (agent, customer) = (Agent::offline(&market.url).await, market.customer(4).await);
    let asked = agent.say(LEASE).await;
    let body = json!({
        "pending": asked.body["pending"], "payment_headers": customer.sign(&asked.body["payment_request"]),
    });
    let first = agent.chat(body.clone()).await;
    let balance = market.balance(&customer).await;
    let again = agent.chat(body).await;
    assert_eq!(again.result(), first.result(), "the made password as well");
    assert_eq!(market.balance(&customer).await, balance);

    let other = json!({
        "pending": asked.body["pending"], "payment_headers": customer.sign(&asked.body["payment_request"]),
    });
    let refused = agent.chat(other).await;
    assert_eq!((refused.status, refused.code()), (400, "invalid_pending"));
    assert_eq!(market.balance(&customer).await, balance);
}

#[tokio::test]
async fn what_the_prototypes_interface_does_still_works() {
    let market = Market::open().await;
    let (agent, customer) = (Agent::offline(&market.url).await, market.customer(5).await);
    let asked = agent.say(LEASE).await;
    let body = json!({
        "message": LEASE, "history": [], "payment_headers": customer.sign_v1(&asked.body["payment_request"]),
    });
    let paid = agent.chat(body.clone()).await;
    assert_eq!(
        market.status(paid.result()).as_deref(),
        Some("running"),
        "{}",
        paid.body
    );
    let balance = market.balance(&customer).await;
    let again = agent.chat(body).await;
    assert_eq!(again.result(), paid.result());
    assert_eq!(market.balance(&customer).await, balance);

    let misfit = json!({
        "message": "renew container 100 by 5 hours", "payment_headers": customer.sign_v1(&asked.body["payment_request"]),
    });
    let other = agent.chat(misfit).await;
    assert!(other.body["payment_request"].is_object() || other.result()["error"].is_object());
    assert_eq!(
        market.balance(&customer).await,
        balance,
        "a payment goes to no call that it does not fit"
    );
}

#[tokio::test]
async fn a_conversation_with_a_model_goes_from_quote_to_lease_to_list() {
    let market = Market::open().await;
    let customer = market.customer(6).await;
    let size = json!({"runtimeMinutes": 60, "cores": 1});
    let model = Scripted::saying([
        calls([("quote_lease", size.clone())]),
        calls([
            ("lease_container", size),
            ("list_managed_containers", json!({})),
        ]),
        words("There it is."),
    ]);
    let agent = Agent::with(&market.url, Some(Arc::clone(&model) as _), &[]).await;
    let asked = agent
        .say("what is the price, and if it is low, lease it")
        .await;
    assert!(
        asked.result()["price"]["total"].is_string(),
        "the quote came first"
    );
    let lease = agent
        .chat(json!({
            "pending": asked.body["pending"], "payment_headers": customer.sign(&asked.body["payment_request"]),
        }))
        .await;
    let request = &lease.body["payment_request"];
    assert_eq!(
        request["call"]["path"], "/management/list",
        "the call after it is asked for on its own: {}",
        lease.body
    );
    let listed = agent
        .chat(
            json!({ "pending": lease.body["pending"], "payment_headers": customer.sign(request) }),
        )
        .await;
    assert_eq!(listed.reply(), "There it is.");
    assert_eq!(listed.result()["leases"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_that_accepts_json_and_events_alike_gets_json() {
    let market = Market::open().await;
    let agent = Agent::offline(&market.url).await;
    let kind = async |accept: &str| {
        let request = agent.http.post(format!("{}/chat", agent.url));
        let request = request.header("accept", accept);
        let answer = request.json(&json!({ "message": "hello" })).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200, "{accept}");
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    for accept in [
        "application/json, text/event-stream",
        "text/event-stream;q=0, */*",
    ] {
        assert_eq!(kind(accept).await, "application/json", "{accept}");
    }
    let preferred = kind("application/json;q=0.5, text/event-stream").await;
    assert_eq!(preferred, "text/event-stream");
}
