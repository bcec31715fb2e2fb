//! A model cannot ask the customer to pay for the same call twice, however it writes the call.

use serde_json::{Value, json};

use crate::{
    agent::{Agent, AgentResponse},
    bodies,
    customer::Customer,
    fake_lease_api::{FakeLeaseApi, GivenResponse, ReceivedRequest, challenge, done},
    model::{Scripted, calls, words},
};

fn shop(asked: &ReceivedRequest) -> GivenResponse {
    match (asked.path.as_str(), asked.is_paid()) {
        ("/lease/quote" | "/leases", _) => (404, "{}".into()),
        (path, false) => challenge(path, 8900),
        ("/lease/container", true) => done(&bodies::leased(json!({}))),
        _ => done(&bodies::ran("")),
    }
}

/// Pays for every request until the agent is done; returns the last answer.
async fn pay_all(agent: &Agent, mut answer: AgentResponse) -> AgentResponse {
    let customer = Customer::new(1);
    for _ in 0..20 {
        if !answer.body["payment_request"].is_object() {
            return answer;
        }
        let headers = customer.sign(&answer.body["payment_request"]);
        let body = json!({"pending": answer.body["pending"], "payment_headers": headers});
        answer = agent.chat(body).await;
    }
    panic!("it never ends: {}", answer.body);
}

#[tokio::test]
async fn one_call_in_many_spellings_is_one_payment_request() {
    let text = |text: &str| Value::String(text.to_owned());
    let leases = calls([
        ("lease_container", json!({"runtimeMinutes": 60})),
        ("lease_container", json!({"runtimeMinutes": "60"})),
        (
            "lease_container",
            json!({"runtime_minutes": 60.0, "cores": 1}),
        ),
        (
            "lease_container",
            json!({"diskGB": 8, "memory_mb": "512", "runtimeMinutes": 60}),
        ),
        (
            "lease_container",
            text(" {\"runtimeMinutes\": 60, \"hostname\": null} "),
        ),
    ]);
    let dates = calls([
        (
            "exec_container_command",
            json!({"ctid": 100, "command": "date"}),
        ),
        (
            "exec_lease_command",
            json!({"ctid": 100, "command": "date"}),
        ),
        (
            "exec_container_command",
            json!({"ctid": "100", "command": "date", "extraArgs": []}),
        ),
        (
            "exec_container_command",
            json!({"ctid": 100.0, "command": " date\n", "extra_args": null}),
        ),
    ]);
    for spellings in [leases, dates] {
        let shop = FakeLeaseApi::start(shop).await;
        let model = Scripted::saying([spellings.clone(), spellings, words("Done.")]);
        let agent = Agent::with(&shop.url, Some(model), &[]).await;
        let asked = agent.say("please").await;
        let end = pay_all(&agent, asked).await;
        assert_eq!(end.reply(), "Done.");
        assert_eq!(shop.paid().len(), 1);
    }
}

#[tokio::test]
async fn a_second_lease_of_equal_size_needs_the_customers_word() {
    let shop = FakeLeaseApi::start(shop).await;
    let lease = |minutes: u32, name: &str| {
        calls([(
            "lease_container",
            json!({"runtimeMinutes": minutes, "hostname": name}),
        )])
    };
    let model = Scripted::saying([
        lease(60, "one"),
        lease(90, "two"),
        words("Shall I make another?"),
        lease(90, "two"),
        words("There it is."),
    ]);
    let agent = Agent::with(&shop.url, Some(model), &[]).await;
    let asked = agent.say("lease one").await;
    let end = pay_all(&agent, asked).await;
    assert_eq!(end.reply(), "Shall I make another?");
    assert_eq!(shop.paid().len(), 1);
    let asked = agent.say("yes, another").await;
    let end = pay_all(&agent, asked).await;
    assert_eq!(end.reply(), "There it is.");
    assert_eq!(shop.paid().len(), 2);
}

#[tokio::test]
async fn a_lease_of_another_size_or_one_that_was_not_made_may_follow() {
    let shop = FakeLeaseApi::start(shop).await;
    let lease = |cores: u32, name: &str| {
        let arguments = json!({"runtimeMinutes": 60, "cores": cores, "hostname": name});
        calls([("lease_container", arguments)])
    };
    let model = Scripted::saying([
        lease(1, "one"),
        lease(1, "two"),
        lease(2, "two"),
        words("."),
    ]);
    let agent = Agent::with(&shop.url, Some(model), &[]).await;
    let asked = agent.say("lease two").await;
    let given_up = agent
        .chat(json!({"pending": asked.body["pending"], "cancel": "another name"}))
        .await;
    pay_all(&agent, given_up).await;
    assert_eq!(shop.paid().len(), 2);
}
