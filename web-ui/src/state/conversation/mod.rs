//! A conversation as it is shown and stored: turns, each a question and the parts of its answer. [`apply`](Turn::apply)
//! takes the agent's events in; nothing here knows how they travel.

mod apply;
mod redact;
#[cfg(test)]
mod tests;

use api_types::{ChatMessage, ChatRole, PaymentRequest, SuspendedCall, error::ErrorBody};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest history that is sent along, in characters: the agent bounds it as well, and older lines help little.
const LONGEST_HISTORY: usize = 24_000;

/// Stands in a tool's answer for a password that was shown and is not kept.
pub const PASSWORD_SHOWN: &str = "passwordShown";

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// Unix seconds of its last change.
    pub changed: u64,
    /// What was said.
    pub turns: Vec<Turn>,
}

/// A question and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Its number within the conversation.
    pub id: u64,
    /// What the customer said.
    pub question: String,
    /// What came of it, in order.
    pub parts: Vec<Part>,
    /// How far it is.
    pub state: TurnState,
    /// The account that was connected when it was asked, to which the agent binds what it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
}

/// How far a turn is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TurnState {
    /// Sent; nothing has come back.
    Asking,
    /// The answer is coming.
    Answering,
    /// It waits for the customer to pay or to confirm.
    Suspended,
    /// It is over.
    Done,
    /// The customer stopped it.
    Stopped,
    /// It broke off.
    Broken(Fault),
}

/// Why a turn broke off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// One sentence for people.
    pub message: String,
    /// The id under which the service's log has the rest.
    pub request_id: Option<String>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// Words, in Markdown.
    Text(String),
    /// A call of a tool.
    Tool(Box<ToolCall>),
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The call's id within the turn.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// For people: what is done.
    pub title: String,
    /// What it was asked, without secrets.
    pub arguments: Value,
    /// How far it is.
    pub step: ToolStep,
    /// One line on what came of it.
    pub summary: String,
    /// What it answered.
    pub result: Value,
    /// Proof of payment.
    pub receipt: Option<Value>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// The payment that belongs to it, as long as this page lives.
    #[serde(skip)]
    pub card: Option<u64>,
}

/// How far a tool's call is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToolStep {
    /// It is being done.
    Running,
    /// It waits for a payment.
    AwaitingPayment {
        /// What has to be signed.
        request: Box<PaymentRequest>,
        /// The suspended call, sealed.
        pending: String,
    },
    /// It waits for a yes.
    AwaitingConfirmation {
        /// What would be done.
        call: Box<SuspendedCall>,
        /// The suspended call, sealed.
        pending: String,
    },
    /// The customer has paid or confirmed; it is being done.
    Responded,
    /// It is done.
    Completed,
    /// The customer said no.
    Denied,
    /// It did not work.
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

    /// The first line of the first question, as its name in a list.
    pub fn title(&self) -> Option<String> {
        let line = self.turns.first()?.question.lines().next()?.trim();
        let mut title: String = line.chars().take(60).collect();
        if title.len() < line.len() {
            title.push('…');
        }
        Some(title)
    }

    /// Prepares a conversation that was stored by a page that is gone: what was under way then is no longer.
    pub fn restored(mut self) -> Self {
        for turn in &mut self.turns {
            if turn.is_running() {
                turn.stop();
            }
        }
        self
    }

    /// A copy that may be stored: without passwords and tickets.
    pub fn without_secrets(&self) -> Self {
        let mut copy = self.clone();
        for call in copy.turns.iter_mut().flat_map(Turn::calls_mut) {
            redact::redact(&mut call.result);
        }
        copy
    }
}

impl ToolCall {
    /// What it answered, without what is shown once and elsewhere.
    pub fn public_result(&self) -> Value {
        let mut result = self.result.clone();
        redact::redact(&mut result);
        result
    }
}

impl Turn {
    /// A turn that has just been sent.
    pub fn asked(id: u64, question: String) -> Self {
        Self {
            id,
            question,
            parts: Vec::new(),
            state: TurnState::Asking,
            asked_by: None,
        }
    }

    /// Whether something is still to come without the customer's doing.
    pub fn is_running(&self) -> bool {
        matches!(self.state, TurnState::Asking | TurnState::Answering)
    }

    /// Whether the same question can be asked again in its place: nothing in it was paid for, and a part of it did not work.
    pub fn is_worth_a_retry(&self) -> bool {
        let failed = self.calls().any(|call| call.step == ToolStep::Failed);
        self.state == TurnState::Done && failed && !self.has_paid()
    }

    /// Whether something in it was paid for, so that to ask the same question again might pay for it twice.
    pub fn has_paid(&self) -> bool {
        self.calls().any(|call| call.receipt.is_some())
    }

    /// All of the agent's words.
    pub fn reply(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Tool(_) => None,
        });
        texts.collect::<Vec<_>>().join("\n\n")
    }

    /// The calls of tools, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::Tool(call) => Some(&**call),
            Part::Text(_) => None,
        })
    }

    fn calls_mut(&mut self) -> impl Iterator<Item = &mut ToolCall> {
        self.parts.iter_mut().filter_map(|part| match part {
            Part::Tool(call) => Some(&mut **call),
            Part::Text(_) => None,
        })
    }

    /// What the agent is told of this turn later. Where it found no words, the outcome of its calls stands for them.
    fn remembered(&self) -> String {
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

/// What the agent is told was said before, the oldest first. What does not fit is left out from the beginning, by
/// whole turns.
pub fn history<'t>(turns: impl DoubleEndedIterator<Item = &'t Turn>) -> Vec<ChatMessage> {
    let mut room = LONGEST_HISTORY;
    let mut messages = Vec::new();
    for turn in turns.rev() {
        let answer = turn.remembered();
        let length = turn.question.chars().count() + answer.chars().count();
        let Some(left) = room.checked_sub(length) else {
            break;
        };
        room = left;
        // Reversed below, hence the answer first.
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

impl From<&ErrorBody> for Fault {
    fn from(error: &ErrorBody) -> Self {
        Self {
            message: error.message.clone(),
            request_id: Some(error.request_id.clone()),
        }
    }
}
