//! A conversation as it is shown and stored: turns, each a question and the parts of its answer.
//! [`apply`](Turn::apply) applies the agent's events.

mod apply;
mod redact;
#[cfg(test)]
mod tests;

use api_types::{ChatMessage, ChatRole, PaymentRequest, SuspendedCall, error::ErrorBody};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest history that is sent with a message, in characters. The agent limits it as well.
const LONGEST_HISTORY: usize = 24_000;

/// The member of a stored result that replaces a password: it was shown and is not stored.
pub const PASSWORD_SHOWN: &str = "passwordShown";

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// Unix seconds of its last change.
    pub changed: u64,
    /// Its turns.
    pub turns: Vec<Turn>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Its number within the conversation.
    pub id: u64,
    /// The customer's message.
    pub question: String,
    /// The parts of the answer, in order.
    pub parts: Vec<AnswerPart>,
    /// Its state.
    pub state: TurnState,
    /// The account that was connected when the question was asked. The agent's offers are for this
    /// account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
}

/// The state of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TurnState {
    /// The question is sent, and no event has come.
    Asking,
    /// Events of the answer are coming.
    Answering,
    /// It waits until the customer pays or confirms.
    Suspended,
    /// It is over.
    Done,
    /// The customer stopped it.
    Stopped,
    /// It failed.
    Broken(TurnError),
}

/// Why a turn failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnError {
    /// The message, for people.
    pub message: String,
    /// The request's id in the service's log.
    pub request_id: Option<String>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AnswerPart {
    /// Text in Markdown.
    Text(String),
    /// A tool call.
    Tool(Box<ToolCall>),
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The call's id within the turn.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// What it does, for people.
    pub title: String,
    /// Its arguments, without secrets.
    pub arguments: Value,
    /// Its state.
    pub step: ToolStep,
    /// Its outcome, in one line.
    pub summary: String,
    /// Its result.
    pub result: Value,
    /// The receipt of its payment.
    pub receipt: Option<Value>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// Its pay card, as long as this page lives.
    #[serde(skip)]
    pub card: Option<u64>,
}

/// The state of a tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToolStep {
    /// It is under way.
    Running,
    /// It waits for a payment.
    AwaitingPayment {
        /// The payment that it needs.
        request: Box<PaymentRequest>,
        /// The suspended call, sealed.
        pending: String,
    },
    /// It waits for a confirmation.
    AwaitingConfirmation {
        /// The call.
        call: Box<SuspendedCall>,
        /// The suspended call, sealed.
        pending: String,
    },
    /// The customer has paid or confirmed, and it is under way.
    Responded,
    /// It is done.
    Completed,
    /// The customer declined it.
    Denied,
    /// It failed.
    Failed,
}

impl Conversation {
    /// An empty conversation.
    pub fn new(id: String, now: u64) -> Self {
        Self {
            id,
            changed: now,
            turns: Vec::new(),
        }
    }

    /// Its title: the first line of the first question.
    pub fn title(&self) -> Option<String> {
        let line = self.turns.first()?.question.lines().next()?.trim();
        let mut title: String = line.chars().take(60).collect();
        if title.len() < line.len() {
            title.push('…');
        }
        Some(title)
    }

    /// Prepares a conversation that an earlier page has stored: turns that were running are
    /// stopped.
    pub fn restored(mut self) -> Self {
        for turn in &mut self.turns {
            if turn.is_running() {
                turn.stop();
            }
        }
        self
    }

    /// A copy without passwords and tickets, which may be stored.
    pub fn without_secrets(&self) -> Self {
        let mut copy = self.clone();
        for call in copy.turns.iter_mut().flat_map(Turn::calls_mut) {
            redact::redact(&mut call.result);
        }
        copy
    }
}

impl ToolCall {
    /// Its result without secrets, which other views show once.
    pub fn public_result(&self) -> Value {
        let mut result = self.result.clone();
        redact::redact(&mut result);
        result
    }
}

impl Turn {
    /// A turn whose question is sent.
    pub fn new(id: u64, question: String) -> Self {
        Self {
            id,
            question,
            parts: Vec::new(),
            state: TurnState::Asking,
            asked_by: None,
        }
    }

    /// Whether it goes on without the customer.
    pub fn is_running(&self) -> bool {
        matches!(self.state, TurnState::Asking | TurnState::Answering)
    }

    /// Whether the same question can be asked again in its place: a call failed, and nothing was
    /// paid for.
    pub fn can_be_retried(&self) -> bool {
        let failed = self.calls().any(|call| call.step == ToolStep::Failed);
        self.state == TurnState::Done && failed && !self.has_paid()
    }

    /// Whether a call in it was paid for. Asking the same question again could pay twice.
    pub fn has_paid(&self) -> bool {
        self.calls().any(|call| call.receipt.is_some())
    }

    /// All texts of the answer.
    pub fn reply(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            AnswerPart::Text(text) => Some(text.as_str()),
            AnswerPart::Tool(_) => None,
        });
        texts.collect::<Vec<_>>().join("\n\n")
    }

    /// The tool calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            AnswerPart::Tool(call) => Some(&**call),
            AnswerPart::Text(_) => None,
        })
    }

    fn calls_mut(&mut self) -> impl Iterator<Item = &mut ToolCall> {
        self.parts.iter_mut().filter_map(|part| match part {
            AnswerPart::Tool(call) => Some(&mut **call),
            AnswerPart::Text(_) => None,
        })
    }

    /// What later requests tell the agent of this turn: the texts, or without texts the outcomes of
    /// the calls.
    fn as_history(&self) -> String {
        let reply = self.reply();
        if !reply.trim().is_empty() {
            return reply;
        }
        let summaries = self.calls().map(|call| call.summary.as_str());
        summaries
            .filter(|summary| !summary.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The earlier turns as they are sent to the agent, the oldest first. If they are too long, the
/// oldest turns are left out.
pub fn history<'t>(turns: impl DoubleEndedIterator<Item = &'t Turn>) -> Vec<ChatMessage> {
    let mut room = LONGEST_HISTORY;
    let mut messages = Vec::new();
    for turn in turns.rev() {
        let answer = turn.as_history();
        let length = turn.question.chars().count() + answer.chars().count();
        let Some(left) = room.checked_sub(length) else {
            break;
        };
        room = left;
        // The list is reversed below, so the answer comes first.
        if !answer.is_empty() {
            messages.push(message(ChatRole::Assistant, answer));
        }
        if !turn.question.is_empty() {
            messages.push(message(ChatRole::User, turn.question.clone()));
        }
    }
    messages.reverse();
    messages
}

fn message(role: ChatRole, content: String) -> ChatMessage {
    ChatMessage { role, content }
}

impl From<&ErrorBody> for TurnError {
    fn from(error: &ErrorBody) -> Self {
        Self {
            message: error.message.clone(),
            request_id: Some(error.request_id.clone()),
        }
    }
}
