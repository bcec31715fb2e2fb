//! A confirmation applies to one lease, once, however often it is sent and to whichever replica.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::{
    agent::Agent,
    bodies,
    fake_lease_api::{FakeLeaseApi, GivenResponse, ReceivedRequest, done, failed},
    market::Market,
};

/// A lease of the signed-in wallet; its number is 100.
fn lease(id: &str) -> Value {
    bodies::lease(json!({ "leaseId": id }))
}

fn shop(asked: &ReceivedRequest) -> GivenResponse {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/leases") => done(&json!({ "leases": [lease("lease-a")] })),
        ("DELETE", "/lease/100") => done(&bodies::lease(json!({"status": "destroyed"}))),
        ("POST", "/lease/100/stop") => done(&bodies::lease(json!({"liveStatus": "stopped"}))),
        _ => failed(404, "lease_not_found"),
    }
}

fn changes(shop: &FakeLeaseApi) -> Vec<ReceivedRequest> {
    let mut asked = shop.asked();
    asked.retain(|call| call.method != "GET");
    asked
}

async fn asked(agent: &Agent, message: &str) -> Value {
    let asked = agent
        .chat(json!({"message": message, "session": "t0ken"}))
        .await;
    assert!(asked.body["pending"].is_string(), "{}", asked.body);
    asked.body
}

#[tokio::test]
async fn a_repeated_confirmation_is_answered_from_memory() {
    for message in ["destroy container 100", "stop container 100"] {
        let shop = FakeLeaseApi::start(shop).await;
        let agent = Agent::offline(&shop.url).await;
        let asked = asked(&agent, message).await;
        let yes = json!({"pending": asked["pending"], "confirm": true, "session": "t0ken"});
        let first = agent.chat(yes.clone()).await;
        let again = agent.chat(yes).await;
        assert_eq!((first.status, again.status), (200, 200), "{}", again.body);
        assert_eq!(first.result(), again.result());
        assert_eq!(changes(&shop).len(), 1, "{message} was performed again");
    }
}

#[tokio::test]
async fn two_copies_of_a_confirmation_at_once_are_one_call() {
    let shop = FakeLeaseApi::start(shop).await;
    let agent = Agent::offline(&shop.url).await;
    let asked = asked(&agent, "destroy container 100").await;
    let yes = json!({"pending": asked["pending"], "confirm": true, "session": "t0ken"});
    let copies = (0..4).map(|_| agent.chat(yes.clone()));
    for answer in futures_util::future::join_all(copies).await {
        assert_eq!(answer.reply(), "Container 100 is destroyed.");
    }
    assert_eq!(changes(&shop).len(), 1);
}

#[tokio::test]
async fn a_confirmed_call_names_its_lease_on_every_replica() {
    let shop = FakeLeaseApi::start(shop).await;
    let (one, other) = (
        Agent::offline(&shop.url).await,
        Agent::offline(&shop.url).await,
    );
    let asked = asked(&one, "destroy container 100").await;
    let yes = json!({"pending": asked["pending"], "confirm": true, "session": "t0ken"});
    one.chat(yes.clone()).await;
    other.chat(yes).await;
    for call in changes(&shop) {
        assert_eq!(
            call.query, "leaseId=lease-a",
            "{} {}",
            call.method, call.path
        );
    }
}

/// A call stays bound to its lease beside leases with members and a status of a later release.
#[tokio::test]
async fn a_lease_that_cannot_be_read_leaves_no_other_call_unbound() {
    let shop = FakeLeaseApi::start(|asked| match asked.path.as_str() {
        "/leases" => done(&json!({ "leases": [
            {"leaseId": "lease-z", "ctid": 101, "status": "hibernated"},
            {"id": 7},
            lease("lease-a"),
        ] })),
        _ => shop(asked),
    })
    .await;
    let agent = Agent::offline(&shop.url).await;
    for ctid in [100, 101] {
        let asked = asked(&agent, &format!("destroy container {ctid}")).await;
        let yes = json!({"pending": asked["pending"], "confirm": true, "session": "t0ken"});
        agent.chat(yes).await;
    }
    let bound: Vec<_> = changes(&shop).into_iter().map(|call| call.query).collect();
    assert_eq!(bound, ["leaseId=lease-a", "leaseId=lease-z"]);
}

#[tokio::test]
async fn a_number_that_no_lease_of_the_wallet_has_is_not_asked_about() {
    let shop = FakeLeaseApi::start(shop).await;
    let agent = Agent::offline(&shop.url).await;
    let body = json!({"message": "destroy container 101", "session": "t0ken"});
    let answer = agent.chat(body).await;
    assert_eq!(answer.body["pending"], Value::Null, "{}", answer.body);
    assert!(answer.reply().contains("101"), "{}", answer.reply());
}

/// The real lease API with only one number: the destroyed lease's number goes to the next lease.
#[tokio::test]
async fn a_number_that_is_used_again_never_answers_for_an_older_lease() {
    let market = Market::with(&[("PVE_VMID_RANGE", "40200-40200")]).await;
    let (one, other) = (
        Agent::offline(&market.url).await,
        Agent::offline(&market.url).await,
    );
    let customer = market.customer(1).await;
    let session = market.sign_in(&customer).await;
    let lease = async || {
        let asked = one.say("lease 1 core for an hour").await;
        let headers = customer.sign(&asked.body["payment_request"]);
        let body = json!({"pending": asked.body["pending"], "payment_headers": headers});
        one.chat(body).await.result().clone()
    };
    let first = lease().await;
    let message = format!("destroy container {}", first["ctid"]);
    let asked = one
        .chat(json!({"message": message, "session": session}))
        .await;
    let yes = json!({"pending": asked.body["pending"], "confirm": true, "session": session});
    let gone = one.chat(yes.clone()).await;
    assert_eq!(market.status(&first), None, "{}", gone.body);

    let second = lease().await;
    assert_eq!(second["ctid"], first["ctid"], "the number is used again");
    assert_ne!(second["leaseId"], first["leaseId"]);
    for replica in [&one, &other] {
        replica.chat(yes.clone()).await;
        let status = market.status(&second);
        assert_eq!(status.as_deref(), Some("running"), "the new lease lives");
    }
}

/// A payment that was signed for an older lease is not sent for the next one with its number.
#[tokio::test]
async fn a_payment_for_a_lease_that_is_over_is_not_sent() {
    let leases = AtomicUsize::new(0);
    let shop = FakeLeaseApi::start(move |asked| match (asked.path.as_str(), asked.is_paid()) {
        ("/leases", _) => done(&json!({ "leases": [lease("lease-a")] })),
        ("/leases/lease-a", _) => {
            let mut over = lease("lease-a");
            over["status"] = match leases.fetch_add(1, Ordering::SeqCst) {
                0 => "active".into(),
                _ => "destroyed".into(),
            };
            done(&over)
        }
        (path, false) => crate::fake_lease_api::challenge(path, 1000),
        _ => done(&bodies::ran("")),
    })
    .await;
    let agent = Agent::offline(&shop.url).await;
    let customer = crate::customer::Customer::new(1);
    let run = async |paid: usize| {
        let asked = asked(&agent, "run `uptime` in container 100").await;
        let headers = customer.sign(&asked["payment_request"]);
        let body = json!({
            "pending": asked["pending"], "payment_headers": headers, "session": "t0ken",
        });
        let answer = agent.chat(body).await;
        assert_eq!(shop.paid().len(), paid, "{}", answer.body);
        let named = |call: &ReceivedRequest| call.query == "leaseId=lease-a";
        assert!(
            shop.paid().iter().all(named),
            "a paid call names its lease as well"
        );
        answer
    };
    assert_eq!(run(1).await.status, 200);
    let late = run(1).await;
    assert_eq!((late.status, late.code()), (410, "lease_ended"));
}

#[tokio::test]
async fn a_confirmation_names_the_container_its_address_and_its_time() {
    let shop = FakeLeaseApi::start(shop).await;
    let agent = Agent::offline(&shop.url).await;
    let body = json!({"message": "destroy container 100", "session": "t0ken"});
    let events = agent.stream(body).await;
    let (_, confirm) = events
        .iter()
        .find(|(name, _)| name == "confirm_required")
        .unwrap();
    let lease = &confirm["call"]["lease"];
    assert_eq!(lease["leaseId"], "lease-a", "{confirm}");
    assert_eq!(lease["hostname"], "box");
    assert_eq!(lease["ip"], "10.0.0.5");
    assert_eq!(lease["expiresAt"], "2999-01-01T00:00:00Z");
    let summary = confirm["call"]["summary"].as_str().unwrap();
    for part in ["container 100", "box", "10.0.0.5", "left"] {
        assert!(summary.contains(part), "{part} is not in {summary}");
    }
}
