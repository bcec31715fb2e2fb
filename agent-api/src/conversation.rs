//! The conversation as the model reads it: messages of the customer and of the model, and results
//! of tools. Payments, passwords and tokens are never part of it.

use api_types::{ChatMessage, ChatRole};
use serde::{Deserialize, Serialize};

/// The longest text of one message that is kept, in bytes.
pub const MAX_MESSAGE: usize = 16 * 1024;

/// The limits of a history. The newest messages within them are sent to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimit {
    bytes: usize,
    messages: usize,
}

impl HistoryLimit {
    /// For customers who are signed in.
    pub const LONG: Self = Self {
        bytes: 48 * 1024,
        messages: 100,
    };
    /// For customers who are not signed in.
    pub const SHORT: Self = Self {
        bytes: 8 * 1024,
        messages: 20,
    };

    /// Whether a history exceeds these limits.
    pub fn is_exceeded(self, history: &[ChatMessage]) -> bool {
        youngest(history, self).len() < history.len()
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// The customer's words.
    User {
        /// The words.
        text: String,
    },
    /// The model's words and its tool calls.
    Assistant {
        /// The words; may be empty if there are calls.
        text: String,
        /// The calls.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// The result of a tool call.
    Tool {
        /// The id of the call.
        call: String,
        /// The result as the model reads it.
        text: String,
    },
}

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique within the conversation.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// The arguments as JSON, as the model wrote them.
    pub arguments: String,
}

/// Makes a conversation from a history and the customer's new message.
pub fn begin(history: &[ChatMessage], message: &str, room: HistoryLimit) -> Vec<Message> {
    let mut conversation: Vec<Message> = youngest(history, room)
        .iter()
        .map(|said| match said.role {
            ChatRole::User => Message::User {
                text: said.content.clone(),
            },
            ChatRole::Assistant => Message::Assistant {
                text: said.content.clone(),
                calls: Vec::new(),
            },
        })
        .collect();
    conversation.push(Message::User {
        text: message.to_owned(),
    });
    conversation
}

/// The longest tail of a history within the limits.
fn youngest(
    history: &[ChatMessage],
    HistoryLimit { bytes, messages }: HistoryLimit,
) -> &[ChatMessage] {
    let mut room = bytes;
    let fitting = history
        .iter()
        .rev()
        .take(messages)
        .take_while(|said| {
            let fits = said.content.len() <= room;
            room = room.saturating_sub(said.content.len());
            fits
        })
        .count();
    &history[history.len() - fitting..]
}

/// The customer's last message.
pub fn last_words(conversation: &[Message]) -> &str {
    conversation
        .iter()
        .rev()
        .find_map(|message| match message {
            Message::User { text } => Some(text.as_str()),
            _ => None,
        })
        .unwrap_or_default()
}

/// The call that a result belongs to.
pub fn call_of<'a>(conversation: &'a [Message], id: &str) -> Option<&'a ToolCall> {
    conversation.iter().rev().find_map(|message| match message {
        Message::Assistant { calls, .. } => calls.iter().find(|call| call.id == id),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: ChatRole, content: String) -> ChatMessage {
        ChatMessage { role, content }
    }

    #[test]
    fn of_a_long_history_the_newest_messages_are_kept() {
        let history: Vec<_> = (0..10)
            .map(|number| {
                said(
                    ChatRole::User,
                    number.to_string().repeat(HistoryLimit::LONG.bytes / 4),
                )
            })
            .collect();
        let conversation = begin(&history, "and now?", HistoryLimit::LONG);
        assert_eq!(conversation.len(), 5);
        assert_eq!(last_words(&conversation), "and now?");
        let many = vec![said(ChatRole::Assistant, "x".into()); 1000];
        for room in [HistoryLimit::LONG, HistoryLimit::SHORT] {
            assert_eq!(begin(&many, "", room).len(), room.messages + 1);
            assert!(room.is_exceeded(&many) && !room.is_exceeded(&many[..room.messages]));
        }
    }

    #[test]
    fn a_call_is_found_by_its_id() {
        let call = |id: &str| ToolCall {
            id: id.into(),
            tool: "quote_lease".into(),
            arguments: "{}".into(),
        };
        let conversation = [
            Message::User { text: "?".into() },
            Message::Assistant {
                text: String::new(),
                calls: vec![call("a"), call("b")],
            },
        ];
        assert_eq!(call_of(&conversation, "b"), Some(&call("b")));
        assert_eq!(call_of(&conversation, "c"), None);
    }
}
