//! A panic in a handler becomes an error response, and harms no other request.

use std::sync::Arc;

use agent_api::{
    llm::{Model, ModelError, ModelRequest, WordSink},
    turn::ModelAnswer,
};
use api_types::AgentInfo;
use async_trait::async_trait;
use serde_json::json;

use crate::agent::Agent;

/// A model that panics when its info is read.
struct Broken;

#[async_trait]
impl Model for Broken {
    async fn answer(
        &self,
        _: ModelRequest<'_>,
        _: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
        Err(ModelError::Away)
    }

    fn info(&self) -> AgentInfo {
        panic!("nobody should read this")
    }

    async fn check(&self) -> service::health::CheckResult {
        Ok("is there".to_owned())
    }
}

#[tokio::test]
async fn a_handler_that_panics_answers_with_the_error_envelope() {
    let agent = Agent::with("http://127.0.0.1:9", Some(Arc::new(Broken)), &[]).await;
    let mut answer = agent.get("/info").await;
    assert_eq!(answer.status, 500);
    let id = answer.body["error"]["requestId"].take();
    assert_eq!(id.as_str().map(str::len), Some(32));
    let expected = json!({"error": {
        "code": "internal", "message": "Something went wrong on our side.", "retryable": false,
        "nextActions": ["report the requestId to the operator"], "requestId": null,
    }});
    assert_eq!(answer.body, expected);
    assert_eq!(agent.get("/health").await.status, 200);
}
