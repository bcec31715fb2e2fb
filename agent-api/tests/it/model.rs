//! A model with scripted answers, which records everything that it was shown.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use agent_api::{
    conversation::ToolCall,
    llm::{Model, ModelError, ModelRequest, WordSink},
    turn::ModelAnswer,
};
use api_types::AgentInfo;
use async_trait::async_trait;
use serde_json::Value;

/// The model. After its last answer it repeats that one.
pub struct Scripted {
    lines: Mutex<VecDeque<ModelAnswer>>,
    seen: Mutex<String>,
}

/// An answer of text.
pub fn words(text: &str) -> ModelAnswer {
    ModelAnswer {
        text: text.to_owned(),
        ..ModelAnswer::default()
    }
}

/// An answer of calls, each a tool and its arguments.
pub fn calls<const N: usize>(calls: [(&str, Value); N]) -> ModelAnswer {
    let numbered = calls.into_iter().enumerate();
    let calls = numbered.map(|(number, (tool, arguments))| ToolCall {
        id: format!("call_{}_{number}", service::crypto::random_hex(4)),
        tool: tool.to_owned(),
        arguments: match arguments {
            Value::String(text) => text,
            other => other.to_string(),
        },
    });
    ModelAnswer {
        calls: calls.collect(),
        ..ModelAnswer::default()
    }
}

impl Scripted {
    /// A model with these answers.
    pub fn saying(lines: impl IntoIterator<Item = ModelAnswer>) -> Arc<Self> {
        Arc::new(Self {
            lines: Mutex::new(lines.into_iter().collect()),
            seen: Mutex::default(),
        })
    }

    /// Everything that the model was shown.
    pub fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Model for Scripted {
    async fn answer(
        &self,
        question: ModelRequest<'_>,
        show: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
        let shown = serde_json::to_string(question.conversation).unwrap();
        self.seen.lock().unwrap().push_str(&shown);
        let mut lines = self.lines.lock().unwrap();
        let line = match lines.len() {
            1 => lines[0].clone(),
            _ => lines.pop_front().ok_or(ModelError::Away)?,
        };
        show(&line.text);
        Ok(line)
    }

    fn info(&self) -> AgentInfo {
        AgentInfo {
            provider: "scripted".to_owned(),
            base_url: None,
            model_name: "script".to_owned(),
            api_key: None,
        }
    }

    async fn check(&self) -> service::health::CheckResult {
        Ok("has its lines".to_owned())
    }
}
