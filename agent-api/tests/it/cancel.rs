//! A customer who hangs up ends the work that was only for this customer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use agent_api::{
    llm::{Model, ModelError, ModelRequest, WordSink},
    turn::ModelAnswer,
};
use api_types::AgentInfo;
use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Notify;

use crate::agent::Agent;

/// A model that never answers, and records that its future was dropped.
#[derive(Default)]
struct Endless {
    asked: Notify,
    dropped: Arc<AtomicBool>,
}

struct Watched(Arc<AtomicBool>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Model for Endless {
    async fn answer(
        &self,
        _: ModelRequest<'_>,
        words: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
        let _watched = Watched(Arc::clone(&self.dropped));
        words("Let me think.");
        self.asked.notify_one();
        std::future::pending().await
    }

    fn info(&self) -> AgentInfo {
        AgentInfo {
            provider: "endless".to_owned(),
            base_url: None,
            model_name: "endless".to_owned(),
            api_key: None,
        }
    }

    async fn check(&self) -> service::health::CheckResult {
        Ok("thinks".to_owned())
    }
}

async fn hang_up(accept: &str) {
    let model = Arc::new(Endless::default());
    let agent = Agent::with("http://127.0.0.1:9", Some(Arc::clone(&model) as _), &[]).await;
    let request = agent
        .http
        .post(format!("{}/chat", agent.url))
        .header("accept", accept)
        .json(&json!({"message": "hi"}));
    let answer = tokio::spawn(async move {
        let mut response = request.send().await.unwrap();
        while response.chunk().await.unwrap().is_some() {}
    });
    model.asked.notified().await;
    assert!(!model.dropped.load(Ordering::SeqCst));
    answer.abort();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !model.dropped.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "the model is still waited for");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn who_hangs_up_on_a_stream_ends_the_turn() {
    hang_up("text/event-stream").await;
}

#[tokio::test]
async fn who_hangs_up_on_an_answer_ends_the_turn() {
    hang_up("application/json").await;
}

#[tokio::test]
async fn a_model_that_takes_too_long_is_given_up() {
    let model = Arc::new(Endless::default());
    let settings = [("LLM_TIMEOUT_SECONDS", "1")];
    let agent = Agent::with("http://127.0.0.1:9", Some(model), &settings).await;
    let answer = agent.say("hi").await;
    assert_eq!((answer.status, answer.code()), (502, "model_error"));
    let agent = Agent::with(
        "http://127.0.0.1:9",
        Some(Arc::new(Endless::default())),
        &[("TURN_TIMEOUT_SECONDS", "1")],
    )
    .await;
    let answer = agent.say("hi").await;
    assert_eq!((answer.status, answer.code()), (504, "timeout"));
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_named() {
    let settings = [
        ("LLM_PROVIDER", "openai-compatible"),
        ("LLM_BASE_URL", "http://127.0.0.1:9/v1"),
        ("LLM_MODEL", "none"),
    ];
    let agent = Agent::with("http://127.0.0.1:9", None, &settings).await;
    let answer = agent.say("hi").await;
    assert_eq!((answer.status, answer.code()), (502, "model_error"));
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("cannot be reached"), "{message}");
}
