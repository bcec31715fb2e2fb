//! Requests to a provider and its responses. Responses are read leniently: members that are
//! missing, null or of another type than OpenAI's count as absent, because servers that call
//! themselves compatible differ in all of them.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{
    super::{ModelRequest, Provider, ProviderKind, instructions},
    inert::inert,
};
use crate::{
    conversation::{Message, ToolCall},
    tools::REGISTRY,
};

/// The body of a request.
pub(super) fn request(provider: &Provider, question: ModelRequest<'_>) -> Value {
    let mut system = instructions();
    if question.again {
        system.push_str("\n- Your last answer was empty. Answer the customer, or call a tool.");
    }
    let first = json!({ "role": "system", "content": system });
    let messages: Vec<_> = std::iter::once(first)
        .chain(question.conversation.iter().map(message))
        .collect();
    let bound = match provider.kind {
        ProviderKind::OpenAi => "max_completion_tokens",
        ProviderKind::Flockio | ProviderKind::Compatible => "max_tokens",
    };
    json!({
        "model": provider.model,
        "messages": messages,
        "tools": tools(),
        "tool_choice": if question.tools { "auto" } else { "none" },
        "stream": provider.streams,
        bound: provider.max_tokens,
    })
}

/// Every text except our own instructions is made inert: a tool result, a history that the client
/// sends, and the model's own words, which may repeat either.
fn message(message: &Message) -> Value {
    match message {
        Message::User { text } => json!({ "role": "user", "content": inert(text) }),
        Message::Assistant { text, calls } if calls.is_empty() => {
            json!({ "role": "assistant", "content": inert(text) })
        }
        Message::Assistant { text, calls } => {
            let calls: Vec<_> = calls.iter().map(call).collect();
            let content = if text.is_empty() {
                Value::Null
            } else {
                json!(inert(text))
            };
            json!({ "role": "assistant", "content": content, "tool_calls": calls })
        }
        Message::Tool { call, text } => {
            json!({ "role": "tool", "tool_call_id": inert(call), "content": inert(text) })
        }
    }
}

/// Makes the arguments valid JSON. Providers refuse a conversation whose arguments are not JSON,
/// even if the model wrote them itself.
fn call(call: &ToolCall) -> Value {
    let read = serde_json::from_str::<Value>(&call.arguments);
    let arguments = match read {
        Ok(read @ Value::Object(_)) => inert_within(read).to_string(),
        _ => "{}".to_owned(),
    };
    json!({
        "id": inert(&call.id), "type": "function",
        "function": { "name": inert(&call.tool), "arguments": arguments },
    })
}

/// The same JSON with every text in it made inert; the syntax stays JSON.
fn inert_within(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(inert(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(inert_within).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            let inert =
                members.map(|(name, value)| (inert(&name).into_owned(), inert_within(value)));
            Value::Object(inert.collect())
        }
        other => other,
    }
}

fn tools() -> Vec<Value> {
    let described = REGISTRY.iter().map(|tool| {
        json!({
            "type": "function",
            "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters(),
            },
        })
    });
    described.collect()
}

/// An answer in one piece.
#[derive(Debug, Deserialize)]
pub(super) struct WholeResponse {
    #[serde(default, deserialize_with = "lenient")]
    pub choices: Vec<WholeChoice>,
    #[serde(default, deserialize_with = "lenient")]
    pub usage: TokenUsage,
}

/// The tokens that a request and its answer cost.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TokenUsage {
    #[serde(default, deserialize_with = "lenient")]
    pub total_tokens: Option<u64>,
}

/// The only choice of an answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WholeChoice {
    #[serde(default, deserialize_with = "lenient")]
    pub message: Delta,
    #[serde(default, deserialize_with = "lenient")]
    pub finish_reason: Option<String>,
}

/// A piece of a streamed answer.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default, deserialize_with = "lenient")]
    pub choices: Vec<Choice>,
    /// Some servers report failures within the stream.
    #[serde(default)]
    pub error: Value,
    /// Sent in the last piece, by servers that report it.
    #[serde(default, deserialize_with = "lenient")]
    pub usage: TokenUsage,
}

/// A piece of the only choice.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default, deserialize_with = "lenient")]
    pub delta: Delta,
    #[serde(default, deserialize_with = "lenient")]
    pub finish_reason: Option<String>,
}

/// Text and tool calls, or pieces of them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    content: Value,
    #[serde(default)]
    refusal: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub tool_calls: Vec<CallPiece>,
}

impl Delta {
    /// The text, from a string or a list of parts. A refusal counts as text.
    pub(super) fn words(&self) -> String {
        let part = |part: &Value| part["text"].as_str().unwrap_or_default().to_owned();
        let words = match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().map(part).collect(),
            _ => String::new(),
        };
        match self.refusal.as_str() {
            Some(refusal) if words.is_empty() => refusal.to_owned(),
            _ => words,
        }
    }
}

/// A tool call or a piece of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CallPiece {
    #[serde(default, deserialize_with = "lenient")]
    pub index: Option<usize>,
    #[serde(default, deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub function: FunctionPiece,
}

/// The tool's name and its arguments.
#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionPiece {
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(default)]
    arguments: Value,
}

impl FunctionPiece {
    /// The arguments as text; some servers send the object itself.
    pub(super) fn arguments(&self) -> String {
        match &self.arguments {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            object => object.to_string(),
        }
    }
}

/// Reads a member that is missing, null or of another type as absent.
fn lenient<'de, T: Default + serde::de::DeserializeOwned, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(kind: ProviderKind) -> Provider {
        Provider {
            kind,
            base_url: "http://127.0.0.1/v1".into(),
            model: "m".into(),
            key: None,
            streams: true,
            max_tokens: 100,
        }
    }

    #[test]
    fn a_request_has_instructions_conversation_and_every_tool() {
        let conversation = [
            Message::User { text: "hi".into() },
            Message::Assistant {
                text: String::new(),
                calls: vec![ToolCall {
                    id: "c1".into(),
                    tool: "quote_lease".into(),
                    arguments: "{broken".into(),
                }],
            },
            Message::Tool {
                call: "c1".into(),
                text: "{}".into(),
            },
        ];
        let question = ModelRequest {
            conversation: &conversation,
            tools: false,
            again: true,
            turn: "t",
            address: [127, 0, 0, 1].into(),
        };
        let body = request(&provider(ProviderKind::OpenAi), question);
        let roles: Vec<_> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool"]);
        assert!(
            body["messages"][0]["content"]
                .as_str()
                .unwrap()
                .contains("empty")
        );
        assert_eq!(
            body["messages"][2]["tool_calls"][0]["function"]["arguments"],
            "{}"
        );
        assert_eq!(body["tools"].as_array().unwrap().len(), REGISTRY.len());
        assert_eq!(body["tool_choice"], "none");
        assert_eq!(body["max_completion_tokens"], 100);
        let body = request(&provider(ProviderKind::Compatible), question);
        assert_eq!(body["max_tokens"], 100);
    }

    #[test]
    fn the_answers_of_many_servers_can_be_read() {
        let words = |body: Value| {
            serde_json::from_value::<WholeResponse>(body)
                .unwrap()
                .choices
                .remove(0)
                .message
                .words()
        };
        assert_eq!(
            words(json!({"choices": [{"message": {"content": "a"}}]})),
            "a"
        );
        assert_eq!(
            words(json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]})),
            "a"
        );
        assert_eq!(
            words(json!({"choices": [{"message": {"content": null, "refusal": "no"}}]})),
            "no"
        );
        let chunk: Chunk = serde_json::from_value(json!({
            "id": 7, "choices": [{"delta": {"content": null, "tool_calls": [
                {"index": null, "function": {"name": "x", "arguments": {"a": 1}}}, {"function": null},
            ]}, "finish_reason": 3}],
        }))
        .unwrap();
        let delta = &chunk.choices[0].delta;
        assert_eq!(delta.tool_calls.len(), 2);
        assert_eq!(delta.tool_calls[0].function.arguments(), r#"{"a":1}"#);
        assert_eq!(delta.tool_calls[1].function.arguments(), "");
        let empty: Chunk = serde_json::from_value(json!({"choices": null})).unwrap();
        assert!(empty.choices.is_empty());
    }
}
