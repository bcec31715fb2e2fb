//! The built-in assistant, for running without a provider's key: a set of rules without a language
//! model, which says so. It understands the plain requests of the README (lease, quote, renew, run,
//! console, list, stop, start, destroy, stats, traffic, files, background commands, ports, help) with sizes and durations in plain
//! English, asks for missing values, and puts tool results into words.

mod answer;
mod duration;
mod inside;
mod intent;
mod paths;
mod ports;
mod request;
mod run;
mod serve;
mod words;

use api_types::AgentInfo;
use async_trait::async_trait;
use service::{crypto, health::CheckResult};

use super::{Model, ModelError, ModelRequest, WordSink};
use crate::{
    conversation::{Message, ToolCall},
    turn::ModelAnswer,
};

/// The built-in assistant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offline;

/// The assistant's next step.
#[derive(Debug, Clone, PartialEq)]
enum NextStep {
    /// Answers the customer with a text.
    Say(String),
    /// Calls a tool.
    Call(&'static str, serde_json::Value),
}

impl Offline {
    fn next(conversation: &[Message], tools: bool) -> NextStep {
        match conversation.last() {
            Some(Message::Tool { call, text }) => {
                if let Some(next) = request::go_on(conversation).filter(|_| tools) {
                    return next;
                }
                let called = crate::conversation::call_of(conversation, call);
                NextStep::Say(answer::in_words(called, text))
            }
            _ => match request::understand(conversation) {
                NextStep::Call(..) if !tools => NextStep::Say(answer::NO_TOOLS.to_owned()),
                next => next,
            },
        }
    }
}

#[async_trait]
impl Model for Offline {
    async fn answer(
        &self,
        question: ModelRequest<'_>,
        words: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
        match Self::next(question.conversation, question.tools) {
            NextStep::Say(text) => {
                words(&text);
                Ok(ModelAnswer {
                    text,
                    ..ModelAnswer::default()
                })
            }
            NextStep::Call(tool, arguments) => Ok(ModelAnswer {
                calls: vec![ToolCall {
                    id: format!("call_{}", crypto::random_hex(8)),
                    tool: tool.to_owned(),
                    arguments: arguments.to_string(),
                }],
                ..ModelAnswer::default()
            }),
        }
    }

    fn info(&self) -> AgentInfo {
        AgentInfo {
            provider: "offline".to_owned(),
            base_url: None,
            model_name: "built-in rules (no language model)".to_owned(),
            api_key: None,
        }
    }

    async fn check(&self) -> CheckResult {
        Ok("built-in rules, no language model".to_owned())
    }
}

#[cfg(test)]
mod tests;
