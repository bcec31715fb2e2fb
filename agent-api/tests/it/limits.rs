//! Limits on the cost of one stranger: turns, concurrent turns, tokens of the model.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use agent_api::{
    llm::{Model, ModelError, ModelRequest, WordSink},
    turn::ModelAnswer,
};
use api_types::AgentInfo;
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::{
    agent::{Agent, AgentResponse},
    fake_lease_api::{FakeLeaseApi, done, failed},
    model::{Scripted, words},
};

const NOWHERE: &str = "http://127.0.0.1:9";

/// A model server that counts its requests.
async fn counting(tokens: u64) -> FakeLeaseApi {
    FakeLeaseApi::start(move |_| {
        let message = json!({"message": {"content": "Hello."}, "finish_reason": "stop"});
        done(&json!({"choices": [message], "usage": {"total_tokens": tokens}}))
    })
    .await
}

async fn agent(model: &FakeLeaseApi, more: &[(&str, &str)]) -> Agent {
    let base = format!("{}/v1", model.url);
    let mut settings = vec![
        ("LLM_PROVIDER", "openai-compatible"),
        ("LLM_BASE_URL", base.as_str()),
        ("LLM_MODEL", "imitated"),
        ("LLM_STREAM", "false"),
        ("TRUSTED_PROXIES", "1"),
    ];
    settings.extend_from_slice(more);
    Agent::with(NOWHERE, None, &settings).await
}

#[tokio::test]
async fn a_thousand_turns_of_one_stranger_reach_the_model_as_often_as_the_limit_says() {
    let model = counting(10).await;
    let agent = agent(&model, &[("CHAT_CALLS_PER_MINUTE", "30")]).await;
    let start = Instant::now();
    let (mut refused, mut customers) = (0, Vec::new());
    for round in 0..50 {
        let hi = || json!({"message": "hi"});
        // Every address of one IPv6 network counts as one stranger.
        let addresses = (0..20)
            .map(|n| format!("2001:db8:0:1::{round:x}:{n:x}"))
            .chain([format!("10.0.{round}.1")]);
        let answers = addresses.map(async |address| agent.chat_from(&address, hi()).await);
        let mut answers = futures_util::future::join_all(answers).await;
        customers.push(answers.pop().unwrap());
        refused += answers.iter().filter(|answer| answer.status == 429).count();
    }
    for customer in customers {
        assert_eq!(customer.status, 200, "{}", customer.body);
    }
    // The limit comes back with time.
    let more = start.elapsed().as_secs() as usize / 2 + 1;
    let reached = model.asked().len();
    assert!(
        reached <= 50 + 30 + more,
        "the model was asked {reached} times"
    );
    assert!(refused >= 1000 - 30 - more, "{refused} were refused");
}

#[tokio::test]
async fn one_too_many_is_told_when_to_come_again() {
    let model = counting(10).await;
    let agent = agent(&model, &[("CHAT_CALLS_PER_MINUTE", "1")]).await;
    let hi = json!({"message": "hi"});
    assert_eq!(agent.chat_from("1.2.3.4", hi.clone()).await.status, 200);
    let request = agent.http.post(format!("{}/chat", agent.url)).json(&hi);
    let refused = request
        .header("x-forwarded-for", "1.2.3.4")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "rate_limited");
}

#[tokio::test]
async fn only_what_is_announced_as_json_is_read() {
    let agent = Agent::offline(NOWHERE).await;
    let url = format!("{}/chat", agent.url);
    let body = json!({"message": "hi"}).to_string();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
    ] {
        let mut request = agent.http.post(&url).body(body.clone());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let refused = AgentResponse::of(request).await;
        assert_eq!(
            (refused.status, refused.code()),
            (415, "unsupported_media_type"),
            "{kind:?}"
        );
    }
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        let request = agent
            .http
            .post(&url)
            .body(body.clone())
            .header("content-type", kind);
        assert_eq!(AgentResponse::of(request).await.status, 200, "{kind}");
    }
}

/// A model that answers once the test allows it.
struct Held {
    asked: Semaphore,
    go: Notify,
}

#[async_trait]
impl Model for Held {
    async fn answer(
        &self,
        _: ModelRequest<'_>,
        _: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
        self.asked.add_permits(1);
        self.go.notified().await;
        Ok(words("Hello."))
    }

    fn info(&self) -> AgentInfo {
        AgentInfo {
            provider: "held".to_owned(),
            base_url: None,
            model_name: "held".to_owned(),
            api_key: None,
        }
    }

    async fn check(&self) -> service::health::CheckResult {
        Ok("waits".to_owned())
    }
}

#[tokio::test]
async fn turns_at_a_time_are_bounded_for_one_address_and_for_all() {
    let model = Arc::new(Held {
        asked: Semaphore::new(0),
        go: Notify::new(),
    });
    let settings = [
        ("TRUSTED_PROXIES", "1"),
        ("CHAT_TURNS_AT_A_TIME", "3"),
        ("CHAT_TURNS_PER_ADDRESS", "2"),
    ];
    let agent = Arc::new(Agent::with(NOWHERE, Some(Arc::clone(&model) as _), &settings).await);
    let mut turns = tokio::task::JoinSet::new();
    let mut begin = |address: &'static str| {
        let agent = Arc::clone(&agent);
        turns.spawn(async move { agent.chat_from(address, json!({"message": "hi"})).await });
    };
    begin("1.1.1.1");
    begin("1.1.1.1");
    model.asked.acquire_many(2).await.unwrap().forget();
    let third = agent.chat_from("1.1.1.1", json!({"message": "hi"})).await;
    assert_eq!(
        (third.status, third.code()),
        (429, "rate_limited"),
        "{}",
        third.body
    );
    begin("2.2.2.2");
    model.asked.acquire().await.unwrap().forget();
    let full = agent.chat_from("3.3.3.3", json!({"message": "hi"})).await;
    assert_eq!(
        (full.status, full.code()),
        (503, "unavailable"),
        "{}",
        full.body
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    while !turns.is_empty() {
        model.go.notify_waiters();
        let ended = tokio::time::timeout(Duration::from_millis(20), turns.join_next()).await;
        if let Ok(Some(answer)) = ended {
            assert_eq!(answer.unwrap().status, 200);
        }
        assert!(Instant::now() < deadline, "the turns do not end");
    }
    begin_again(&agent, &model).await;
}

/// Checks that turns that have ended hold no permits.
async fn begin_again(agent: &Arc<Agent>, model: &Arc<Held>) {
    let again = {
        let agent = Arc::clone(agent);
        tokio::spawn(async move { agent.chat_from("1.1.1.1", json!({"message": "hi"})).await })
    };
    model.asked.acquire().await.unwrap().forget();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !again.is_finished() {
        model.go.notify_waiters();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(Instant::now() < deadline, "the turn does not end");
    }
    assert_eq!(again.await.unwrap().status, 200);
}

#[tokio::test]
async fn when_the_days_tokens_are_used_up_the_rules_answer_and_say_so() {
    let model = counting(400_000).await;
    let settings = [
        ("LLM_TOKENS_PER_DAY", "1000000"),
        ("LLM_TOKENS_PER_ADDRESS", "0"),
    ];
    let agent = agent(&model, &settings).await;
    for _ in 0..3 {
        assert_eq!(agent.say("hi").await.reply(), "Hello.");
    }
    let over = agent.say("hello").await;
    assert!(
        over.reply().contains("built-in assistant"),
        "{}",
        over.reply()
    );
    assert!(over.reply().contains("used up"), "{}", over.reply());
    assert_eq!(model.asked().len(), 3);
    // The rules still use the previous sentence to understand an answer to their question.
    let question = agent.say("lease a container").await;
    let history = json!([
        {"role": "user", "content": "lease a container"},
        {"role": "assistant", "content": question.reply()},
    ]);
    let answer = agent
        .chat(json!({"message": "for an hour", "history": history}))
        .await;
    assert!(
        answer.body["events"][0]["tool"] == "lease_container",
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn one_address_cannot_use_up_the_days_tokens_of_all() {
    let model = counting(400_000).await;
    let settings = [
        ("LLM_TOKENS_PER_DAY", "5000000"),
        ("LLM_TOKENS_PER_ADDRESS", "500000"),
    ];
    let agent = agent(&model, &settings).await;
    let hi = || json!({"message": "hello"});
    for expected in [true, true, false, false] {
        let answer = agent.chat_from("1.1.1.1", hi()).await;
        assert_eq!(answer.reply() == "Hello.", expected, "{}", answer.reply());
    }
    assert_eq!(agent.chat_from("2.2.2.2", hi()).await.reply(), "Hello.");
}

#[tokio::test]
async fn without_a_session_only_a_short_history_is_kept() {
    let api = FakeLeaseApi::start(|asked| {
        let known = asked
            .headers
            .get("authorization")
            .is_some_and(|value| value == "Bearer good");
        match known {
            true => failed(404, "lease_not_found"),
            false => failed(401, "unauthorized"),
        }
    })
    .await;
    let history: Vec<_> = (0..60)
        .map(|n| json!({"role": "user", "content": format!("line-{n} {}", "x".repeat(300))}))
        .collect();
    let seen = async |session: Value| {
        let model = Scripted::saying([words("Yes.")]);
        let agent = Agent::with(&api.url, Some(Arc::clone(&model) as _), &[]).await;
        let body = json!({"message": "well?", "history": history, "session": session});
        assert_eq!(agent.chat(body).await.status, 200);
        model.seen()
    };
    let (stranger, forged, customer) = (
        seen(Value::Null).await,
        seen("made-up".into()).await,
        seen("good".into()).await,
    );
    for short in [&stranger, &forged] {
        assert!(short.contains("line-59") && !short.contains("line-30"));
        assert!(short.len() < 12_000, "{}", short.len());
    }
    assert!(customer.contains("line-30") && customer.contains("line-0"));
}
