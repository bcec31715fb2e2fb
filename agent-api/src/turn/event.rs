//! What can happen to a turn, and what it wants done.

use std::fmt;

use crate::conversation::ToolCall;

/// What one turn may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnBounds {
    /// Tool calls.
    pub calls: u32,
    /// Answers of the model.
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

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// The turn begins.
    Start,
    /// The model answered.
    Said(ModelAnswer),
    /// The turn cannot go on.
    Failed(TurnFailure),
    /// The tool answered, well or badly.
    Answered(ToolResult),
    /// The tool wants something of the customer first.
    Suspended(CallFingerprint),
    /// The customer does not want the call that waits.
    GivenUp {
        /// Why, as the model hears it.
        reason: String,
        /// What the customer says beside it.
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

/// What the model said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelAnswer {
    /// Its words.
    pub text: String,
    /// The tools that it wants called, in this order.
    pub calls: Vec<ToolCall>,
    /// Tokens that the question and this answer cost, where the provider says.
    pub tokens: Option<u64>,
}

/// What a tool answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolResult {
    /// Whether it did what it was asked.
    pub ok: bool,
    /// For the model.
    pub text: String,
    /// One sentence for people.
    pub summary: String,
    /// What was paid for, where something was.
    pub bought: Option<CallFingerprint>,
}

/// By which two calls are told to be the same, however a model spells their arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFingerprint {
    /// The planned request: method, path and canonical body.
    pub call: String,
    /// What is bought, where one of a kind is what a customer usually wants: a lease of this size.
    pub kind: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEffect {
    /// Ask the model.
    Ask {
        /// Whether it may call tools.
        tools: bool,
        /// Whether it answered nothing before.
        again: bool,
    },
    /// Call the tool.
    Call(ToolCall),
    /// Answer the customer, who has to pay or to confirm.
    Wait,
    /// Answer the customer.
    Finish,
    /// Tell the customer that it broke off.
    Break(TurnFailure),
}

/// Why a turn breaks off. The texts are for customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnFailure {
    /// The model did not answer anything, twice.
    Silent,
    /// The time of a turn is over.
    OutOfTime,
    /// The model cannot be asked.
    Model(String),
    /// A fault of ours: an event that the state does not know.
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
