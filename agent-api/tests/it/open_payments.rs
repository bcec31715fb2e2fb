//! A payment that may have moved money is not ended by an answer without its outcome.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::{
    agent::{Agent, AgentResponse},
    bodies,
    customer::Customer,
    fake_lease_api::{FakeLeaseApi, GivenResponse, HANG_UP, challenge, done, failed, with_receipt},
};

/// A lease API that answers paid calls with these, one after the other, and then repeats the last
/// one.
async fn shop(answers: Vec<GivenResponse>) -> FakeLeaseApi {
    let paid = AtomicUsize::new(0);
    FakeLeaseApi::start(move |asked| match (asked.path.as_str(), asked.is_paid()) {
        ("/lease/quote", _) => (404, "{}".into()),
        (path, false) => challenge(path, 8900),
        (_, true) => {
            let number = paid.fetch_add(1, Ordering::SeqCst);
            answers[number.min(answers.len() - 1)].clone()
        }
    })
    .await
}

fn leased() -> GivenResponse {
    done(&bodies::leased(json!({})))
}

fn bare() -> GivenResponse {
    challenge("/lease/container", 8900)
}

async fn signed(agent: &Agent) -> Value {
    let asked = agent.say("lease one for an hour").await;
    let headers = Customer::new(1).sign(&asked.body["payment_request"]);
    json!({"pending": asked.body["pending"], "payment_headers": headers})
}

fn is_still_open(answer: &AgentResponse) -> bool {
    answer.code() == "payment_unresolved" && answer.body["payment_request"].is_null()
}

#[tokio::test]
async fn a_payment_that_was_ever_open_is_not_ended_by_a_bare_402() {
    let lost = vec![(HANG_UP, String::new()); 3];
    let cases: [(&str, Vec<GivenResponse>); 6] = [
        ("unresolved", vec![failed(503, "payment_unresolved")]),
        ("lost", lost),
        ("in progress", vec![failed(409, "payment_in_progress"); 3]),
        ("a time-out of theirs", vec![failed(504, "timeout")]),
        ("a fault of theirs", vec![failed(500, "internal")]),
        ("nothing that can be read", vec![(502, "<html>".into())]),
    ];
    for (name, opening) in cases {
        let mut answers = opening;
        answers.extend([bare(), failed(429, "rate_limited"), bare(), leased()]);
        let shop = shop(answers).await;
        let agent = Agent::offline(&shop.url).await;
        let body = signed(&agent).await;
        for step in ["opened", "a 402", "a 429", "another 402"] {
            let open = agent.chat(body.clone()).await;
            assert!(is_still_open(&open), "{name}, {step}: {}", open.body);
        }
        let done = agent.chat(body).await;
        assert_eq!(done.status, 200, "{name}: {}", done.body);
        let headers: HashSet<_> = shop
            .paid()
            .iter()
            .map(|call| call.headers["x-payment"].clone())
            .collect();
        assert_eq!(headers.len(), 1, "one signature");
    }
}

/// The first copy may have arrived although its answer was lost.
#[tokio::test]
async fn a_402_to_the_second_delivery_of_one_payment_is_no_end() {
    let shop = shop(vec![(HANG_UP, String::new()), bare(), leased()]).await;
    let agent = Agent::offline(&shop.url).await;
    let body = signed(&agent).await;
    let open = agent.chat(body.clone()).await;
    assert!(is_still_open(&open), "{}", open.body);
    assert_eq!(agent.chat(body).await.status, 200);
}

#[tokio::test]
async fn a_payment_that_was_held_is_not_ended_by_a_bare_402() {
    let held = (
        202,
        json!({"paymentId": "p", "state": "unknown"}).to_string(),
    );
    let shop = shop(vec![held, bare()]).await;
    let agent = Agent::offline(&shop.url).await;
    let body = signed(&agent).await;
    let held = agent.chat(body.clone()).await;
    assert_eq!(held.status, 200, "{}", held.body);
    let open = agent.chat(body).await;
    assert!(is_still_open(&open), "{}", open.body);
}

#[tokio::test]
async fn what_was_paid_and_not_delivered_stays_to_be_asked_for_again() {
    let undelivered = with_receipt(failed(502, "hypervisor_error"));
    let shop = shop(vec![undelivered, bare(), leased()]).await;
    let agent = Agent::offline(&shop.url).await;
    let body = signed(&agent).await;
    for _ in 0..2 {
        let open = agent.chat(body.clone()).await;
        assert!(is_still_open(&open), "{}", open.body);
    }
    assert_eq!(agent.chat(body).await.status, 200);
}

#[tokio::test]
async fn what_is_owed_is_told_and_never_asked_for_again() {
    let owed = failed(409, "payment_owed");
    let shop = shop(vec![owed]).await;
    let agent = Agent::offline(&shop.url).await;
    let answer = agent.chat(signed(&agent).await).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body["payment_request"].is_null());
    assert!(answer.reply().contains("owed"), "{}", answer.reply());
    assert!(
        answer.reply().contains("not pay for it again"),
        "{}",
        answer.reply()
    );
}

#[tokio::test]
async fn a_refusal_in_words_that_are_not_known_is_no_end() {
    for unknown in [
        failed(409, "something_newer"),
        (418, "{}".into()),
        (451, "<html>".into()),
    ] {
        let shop = shop(vec![unknown.clone(), bare(), leased()]).await;
        let agent = Agent::offline(&shop.url).await;
        let body = signed(&agent).await;
        for _ in 0..2 {
            let open = agent.chat(body.clone()).await;
            assert!(is_still_open(&open), "{unknown:?}: {}", open.body);
        }
        assert_eq!(agent.chat(body).await.status, 200);
    }
}

#[tokio::test]
async fn a_payment_that_was_never_open_is_ended_by_a_402_as_before() {
    let shop = shop(vec![bare()]).await;
    let agent = Agent::offline(&shop.url).await;
    let again = agent.chat(signed(&agent).await).await;
    assert_eq!(
        again.body["payment_request"]["amount"], "8900",
        "{}",
        again.body
    );
}

#[tokio::test]
async fn keys_are_random_and_never_made_from_the_payment() {
    let shop = shop(vec![leased()]).await;
    let (one, other) = (
        Agent::offline(&shop.url).await,
        Agent::offline(&shop.url).await,
    );
    let asked = one.say("lease one for an hour").await;
    let headers = Customer::new(1).sign(&asked.body["payment_request"]);
    let voucher = json!({"message": "lease one for an hour", "payment_headers": headers});
    for agent in [&one, &one, &other] {
        assert_eq!(agent.chat(voucher.clone()).await.status, 200);
    }
    one.chat(json!({"pending": asked.body["pending"], "payment_headers": headers}))
        .await;
    let keys: Vec<_> = shop
        .paid()
        .iter()
        .map(|call| call.headers["idempotency-key"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys[0], keys[1], "a repetition has the key of the first");
    let distinct: HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), 3, "each other one has its own: {keys:?}");
    for key in &keys {
        let random = key.rsplit('-').next().unwrap();
        assert_eq!(random.len(), 32, "128 bits: {key}");
    }
}
