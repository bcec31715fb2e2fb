//! The events of a turn and its effects.

use std::fmt;

use crate::conversation::ToolCall;

/// The limits of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnBounds {
    /// The maximum number of tool calls.
    pub calls: u32,
    /// The maximum number of the model's answers.
    pub rounds: u32,
}

impl Default for TurnBounds {
    fn default() -> Self {
        Self {
            calls: 12,
            rounds: 8,
        }
    }
}

/// An event in a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// The turn begins.
    Start,
    /// The model answered.
    Said(ModelAnswer),
    /// The turn cannot go on.
    Failed(TurnFailure),
    /// The tool returned a result, of success or failure.
    Answered(ToolResult),
    /// The tool call needs the customer's payment or confirmation first.
    Suspended(CallFingerprint),
    /// The customer declined the call that waits.
    GivenUp {
        /// The reason that the model gets.
        reason: String,
        /// The customer's message with it.
        message: Option<String>,
    },
}

impl TurnEvent {
    /// Its name in a log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Said(_) => "said",
            Self::Failed(_) => "failed",
            Self::Answered(_) => "answered",
            Self::Suspended(_) => "suspended",
            Self::GivenUp { .. } => "given_up",
        }
    }
}

/// An answer of the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelAnswer {
    /// Its words.
    pub text: String,
    /// The tool calls that it asks for, in order.
    pub calls: Vec<ToolCall>,
    /// Tokens that the request and this answer cost, if the provider reports them.
    pub tokens: Option<u64>,
}

/// The result of a tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolResult {
    /// Whether the call succeeded.
    pub ok: bool,
    /// The text for the model.
    pub text: String,
    /// One sentence for the customer.
    pub summary: String,
    /// The purchase, if the call paid for one.
    pub bought: Option<CallFingerprint>,
}

/// Identifies equal calls, even if the model spells their arguments differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFingerprint {
    /// The planned request: method, path and canonical body.
    pub call: String,
    /// The kind of purchase, if a customer usually wants only one of it: a lease of this size.
    pub kind: Option<String>,
}

/// An effect of a step: the driver's next action.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEffect {
    /// Ask the model.
    Ask {
        /// Whether it may call tools.
        tools: bool,
        /// Whether the model's last answer was empty, so that this is a second attempt.
        again: bool,
    },
    /// Call the tool.
    Call(ToolCall),
    /// Tell the customer to pay or to confirm.
    Wait,
    /// Answer the customer.
    Finish,
    /// Tell the customer that the turn failed.
    Break(TurnFailure),
}

/// Why a turn fails. The texts are for customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnFailure {
    /// The model gave an empty answer twice.
    Silent,
    /// The time limit of the turn is over.
    OutOfTime,
    /// The model failed.
    Model(String),
    /// A bug: an event that is not allowed in the current state.
    Unexpected(&'static str),
}

impl fmt::Display for TurnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("The language model gave no answer."),
            Self::OutOfTime => f.write_str("The answer took too long and was broken off."),
            Self::Model(what) => f.write_str(what),
            Self::Unexpected(_) => f.write_str("The agent made a mistake."),
        }
    }
}
