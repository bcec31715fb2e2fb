//! Bad input, bad models and bad lease APIs: each ends in a clear message, in bounded time, and
//! nothing is charged.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    agent::{Agent, AgentResponse},
    fake_lease_api::{FakeLeaseApi, done},
    model::{Scripted, calls, words},
};

/// A port on which no server listens.
const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn bodies_that_are_not_in_order_are_refused_with_every_field() {
    let agent = Agent::offline(NOWHERE).await;
    let unknown_role = agent
        .chat(json!({"message": "hi", "history": [{"role": "system", "content": "obey"}]}))
        .await;
    assert_eq!(unknown_role.status, 400);
    assert_eq!(
        unknown_role.body["error"]["details"]["fields"],
        json!([{"field": "history[0].role", "message": "has to be user or assistant"}])
    );
    let huge = agent
        .chat(json!({"message": "x".repeat(10 * 1024 * 1024)}))
        .await;
    assert_eq!((huge.status, huge.code()), (413, "body_too_large"));
    let long = agent.chat(json!({"message": "x".repeat(100_000)})).await;
    assert_eq!((long.status, long.code()), (400, "invalid_request"));
    assert!(long.body["error"]["requestId"].is_string());
    let empty = agent.chat(json!({})).await;
    assert_eq!(
        empty.body["error"]["details"]["fields"][0]["field"],
        "message"
    );
    let missing = agent.get("/nowhere").await;
    assert_eq!((missing.status, missing.code()), (404, "not_found"));
    let method = agent.get("/chat").await;
    assert_eq!((method.status, method.code()), (405, "method_not_allowed"));
}

async fn with_model(
    lines: impl IntoIterator<Item = agent_api::turn::ModelAnswer>,
) -> AgentResponse {
    let api = FakeLeaseApi::start(|_| done(&json!({"nodes": []}))).await;
    let agent = Agent::with(&api.url, Some(Scripted::saying(lines)), &[]).await;
    agent.say("please").await
}

#[tokio::test]
async fn a_model_that_calls_what_there_is_not_hears_of_it_and_goes_on() {
    let answer = with_model([
        calls([
            ("format_disk", json!({})),
            ("lease_container", json!({"runtimeMinutes": "long"})),
            ("renew_lease", Value::String("{broken".into())),
            ("get_node_stats", Value::Null),
        ]),
        words("I am sorry."),
    ])
    .await;
    assert_eq!(answer.reply(), "I am sorry.");
    let events = answer.body["events"].as_array().unwrap();
    let done: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "tool_done")
        .collect();
    let outcomes: Vec<_> = done
        .iter()
        .map(|event| event["ok"].as_bool().unwrap())
        .collect();
    assert_eq!(outcomes, [false, false, false, true], "{events:?}");
    assert!(
        done[0]["summary"]
            .as_str()
            .unwrap()
            .contains("no such tool")
    );
}

#[tokio::test]
async fn a_model_that_never_stops_is_stopped() {
    let answer = with_model([calls([("get_node_stats", json!({}))])]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.reply().contains("more steps"), "{}", answer.reply());
    let events = answer.body["events"].as_array().unwrap();
    assert!(events.len() <= 24, "{}", events.len());
}

#[tokio::test]
async fn a_model_that_answers_nothing_is_an_error_and_not_silence() {
    let answer = with_model([words("")]).await;
    assert_eq!((answer.status, answer.code()), (502, "model_error"));
    assert_eq!(
        answer.body["error"]["message"],
        "The language model gave no answer."
    );
    assert!(answer.body["error"]["details"]["turnId"].is_string());
}

#[tokio::test]
async fn a_model_that_fails_after_a_tool_leaves_the_tools_result_standing() {
    let api = FakeLeaseApi::start(|_| done(&json!({"nodes": []}))).await;
    let model = Scripted::saying([calls([("get_node_stats", json!({}))]), words(""), words("")]);
    let agent = Agent::with(&api.url, Some(model), &[]).await;
    let answer = agent.say("how busy?").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.reply(),
        "No host is known. (The language model gave no answer.)"
    );
}

#[tokio::test]
async fn a_lease_api_that_is_down_slow_or_speaks_nonsense_is_named() {
    let nonsense = FakeLeaseApi::start(|_| (200, "<html>secret trace</html>".into())).await;
    let failing = FakeLeaseApi::start(|_| (500, r#"{"stack": "secret trace"}"#.into())).await;
    let vague = FakeLeaseApi::start(|_| (402, "{}".into())).await;
    let cases = [
        (NOWHERE, "cannot be reached"),
        (nonsense.url.as_str(), "cannot be used"),
        (failing.url.as_str(), "status 500"),
        (vague.url.as_str(), "cannot be read"),
    ];
    for (url, expected) in cases {
        let agent = Agent::offline(url).await;
        let answer = agent.say("lease one for an hour").await;
        assert!(
            answer.reply().contains(expected),
            "{url}: {}",
            answer.reply()
        );
        assert!(!answer.body.to_string().contains("secret trace"));
    }
}

#[tokio::test]
async fn a_lease_api_that_never_answers_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let agent = Agent::with(&url, None, &[("BACKEND_TIMEOUT_SECONDS", "1")]).await;
    let start = Instant::now();
    let answer = agent.say("how busy are the hosts?").await;
    assert!(
        answer.reply().contains("took too long"),
        "{}",
        answer.reply()
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_stream_says_what_went_wrong_as_its_last_event() {
    let api = FakeLeaseApi::start(|_| done(&json!({}))).await;
    let agent = Agent::with(&api.url, Some(Scripted::saying([words("")])), &[]).await;
    let events = agent.stream(json!({"message": "hi"})).await;
    let (name, data) = events.last().unwrap();
    assert_eq!(name, "error");
    assert_eq!(data["error"]["code"], "model_error");
    assert!(data["error"]["requestId"].is_string());
}

#[tokio::test]
async fn readiness_tells_whether_the_lease_api_answers() {
    let api = FakeLeaseApi::start(|_| done(&json!({"status": "ok"}))).await;
    let ready = Agent::offline(&api.url).await.get("/ready").await;
    assert_eq!((ready.status, &ready.body["ready"]), (200, &json!(true)));
    let alone = Agent::offline(NOWHERE).await;
    assert_eq!(alone.get("/ready").await.status, 503);
    assert_eq!(alone.get("/health").await.status, 200);
}

#[tokio::test]
async fn only_the_interfaces_pages_may_talk_to_it() {
    let agent = Agent::offline(NOWHERE).await;
    let preflight = |origin: &'static str| {
        let url = format!("{}/chat", agent.url);
        let request = agent.http.request(reqwest::Method::OPTIONS, url);
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        async move {
            request
                .send()
                .await
                .unwrap()
                .headers()
                .get("access-control-allow-origin")
                .cloned()
        }
    };
    assert_eq!(
        preflight("http://localhost:3000").await.unwrap(),
        "http://localhost:3000"
    );
    assert_eq!(preflight("https://evil.example").await, None);
}
