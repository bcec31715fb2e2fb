//! A turn of the conversation as a pure state machine: events in, effects out. It holds everything
//! that a suspended turn needs to go on, on this or another replica, so it is written into the
//! sealed `pending` as a whole. The [`driver`](crate::driver) performs the effects.
//!
//! ```text
//! Begun ── Start ──> Thinking ── Said(calls) ──> Working ── Answered ──> Working (next call) | Thinking
//!                       │                           │
//!                       │ Said(words)               └─ Suspended ──> Waiting ── Answered | GivenUp ──> …
//!                       └──────────> Over
//! ```

mod event;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::conversation::{Message, ToolCall, last_words};

pub use event::{
    CallFingerprint, ModelAnswer, ToolResult, TurnBounds, TurnEffect, TurnEvent, TurnFailure,
};

/// The model's result for a call over the limit.
const TOO_MANY: &str = r#"{"ok":false,"error":"Too many tool calls in this turn. Answer the customer with what you have."}"#;
/// The model's result for a call that was already put to the customer in this turn.
const REPEATED: &str =
    "This very call was already put to the customer. Ask them before you repeat it.";
/// The model's result for a second purchase of a kind that the customer has just paid for.
const ANOTHER: &str =
    "A lease of this size was just paid for. Ask the customer before you make another.";
/// The model's result for the calls after one that the customer declined.
const SKIPPED: &str =
    r#"{"ok":false,"error":"Not done: the customer gave up the call before it."}"#;

/// A turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    id: String,
    conversation: Vec<Message>,
    state: TurnState,
    tally: TurnCounts,
    /// The agent's words since the last response to the customer.
    #[serde(skip)]
    words: String,
    /// The summaries of successful or paid calls since the last response to the customer.
    #[serde(skip)]
    done: Vec<String>,
}

/// The state of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TurnState {
    /// The turn has not started.
    Begun,
    /// The model is asked.
    Thinking { tools: bool },
    /// A tool call is being performed.
    Working {
        call: ToolCall,
        rest: VecDeque<ToolCall>,
    },
    /// A call waits for the customer's payment or confirmation.
    Waiting {
        call: ToolCall,
        rest: VecDeque<ToolCall>,
    },
    /// The turn has ended.
    Over,
}

/// The counters that the limits apply to, and the calls that may not be repeated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct TurnCounts {
    calls: u32,
    rounds: u32,
    silences: u32,
    /// The calls that were put to the customer, by [`CallFingerprint::call`].
    put: Vec<String>,
    /// The purchases of this turn, by [`CallFingerprint::kind`].
    #[serde(default)]
    bought: Vec<String>,
}

impl Turn {
    /// A turn for a conversation whose last message is the customer's.
    pub fn new(id: impl Into<String>, conversation: Vec<Message>) -> Self {
        Self {
            id: id.into(),
            conversation,
            state: TurnState::Begun,
            tally: TurnCounts::default(),
            words: String::new(),
            done: Vec::new(),
        }
    }

    /// The turn's id, which the lease API logs for the calls of the turn.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The messages that the model reads.
    pub fn conversation(&self) -> &[Message] {
        &self.conversation
    }

    /// The agent's words since the last response to the customer.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Whether calls succeeded or were paid for since the last response to the customer, so that
    /// this response must not get lost.
    pub fn has_results(&self) -> bool {
        !self.done.is_empty()
    }

    /// The call that waits for the customer.
    pub fn waiting(&self) -> Option<&ToolCall> {
        match &self.state {
            TurnState::Waiting { call, .. } => Some(call),
            _ => None,
        }
    }

    /// The reason, for the model, why a call needs a new message of the customer before it is put
    /// to them.
    pub fn objection(&self, mark: &CallFingerprint) -> Option<&'static str> {
        let kind = mark.kind.as_ref();
        if self.tally.put.contains(&mark.call) {
            Some(REPEATED)
        } else if kind.is_some_and(|kind| self.tally.bought.contains(kind)) {
            Some(ANOTHER)
        } else {
            None
        }
    }

    /// Applies an event and returns the effect.
    pub fn step(&mut self, event: TurnEvent, bounds: &TurnBounds) -> TurnEffect {
        let state = std::mem::replace(&mut self.state, TurnState::Over);
        match (state, event) {
            (TurnState::Begun, TurnEvent::Start) => self.think(true),
            (TurnState::Thinking { tools }, TurnEvent::Said(said)) => {
                self.heard(said, tools, bounds)
            }
            (_, TurnEvent::Failed(failure)) => self.fail(failure),
            (
                TurnState::Working { rest, call } | TurnState::Waiting { rest, call },
                TurnEvent::Answered(answer),
            ) => {
                // A paid call is reported to the customer even if it failed.
                if answer.ok || answer.bought.is_some() {
                    self.done.push(answer.summary);
                }
                if let Some(CallFingerprint { call, kind }) = answer.bought {
                    self.tally.put.push(call);
                    self.tally.bought.extend(kind);
                }
                self.answer(&call, answer.text);
                self.go_on(rest, bounds)
            }
            (
                TurnState::Working { rest, call } | TurnState::Waiting { rest, call },
                TurnEvent::Suspended(mark),
            ) => {
                self.tally.put.push(mark.call);
                self.state = TurnState::Waiting { call, rest };
                TurnEffect::Wait
            }
            (TurnState::Waiting { rest, call }, TurnEvent::GivenUp { reason, message }) => {
                self.give_up(&call, rest, &reason, message);
                self.think(true)
            }
            (_, event) => TurnEffect::Break(TurnFailure::Unexpected(event.name())),
        }
    }

    fn heard(&mut self, said: ModelAnswer, tools: bool, bounds: &TurnBounds) -> TurnEffect {
        self.tally.rounds += 1;
        self.say(&said.text);
        if !said.calls.is_empty() && tools {
            let calls: VecDeque<_> = said.calls.iter().cloned().collect();
            self.conversation.push(Message::Assistant {
                text: said.text,
                calls: said.calls,
            });
            return self.go_on(calls, bounds);
        }
        if !said.calls.is_empty() {
            self.say("I stopped here: this took more steps than one answer may take.");
        } else if said.text.trim().is_empty() {
            self.tally.silences += 1;
            return match self.tally.silences {
                1 => self.think(tools),
                _ => self.fail(TurnFailure::Silent),
            };
        }
        self.conversation.push(Message::Assistant {
            text: said.text,
            calls: Vec::new(),
        });
        TurnEffect::Finish
    }

    /// Takes the next tool call, or asks the model if there is none.
    fn go_on(&mut self, mut calls: VecDeque<ToolCall>, bounds: &TurnBounds) -> TurnEffect {
        while let Some(call) = calls.pop_front() {
            if self.tally.calls >= bounds.calls {
                self.answer(&call, TOO_MANY.to_owned());
                continue;
            }
            self.tally.calls += 1;
            self.state = TurnState::Working {
                call: call.clone(),
                rest: calls,
            };
            return TurnEffect::Call(call);
        }
        let may_go_on = self.tally.calls < bounds.calls && self.tally.rounds < bounds.rounds;
        self.think(may_go_on)
    }

    fn think(&mut self, tools: bool) -> TurnEffect {
        self.state = TurnState::Thinking { tools };
        TurnEffect::Ask {
            tools,
            again: self.tally.silences > 0,
        }
    }

    fn give_up(
        &mut self,
        call: &ToolCall,
        rest: VecDeque<ToolCall>,
        reason: &str,
        message: Option<String>,
    ) {
        let text = serde_json::json!({
            "ok": false,
            "error": "Not done: the customer did not approve it. Do not try it again unless asked.",
            "customersReason": reason,
        });
        self.answer(call, text.to_string());
        for skipped in rest {
            self.answer(&skipped, SKIPPED.to_owned());
        }
        let new = message.filter(|text| text.trim() != last_words(&self.conversation).trim());
        if let Some(text) = new {
            self.conversation.push(Message::User { text });
            // After a new message, the customer may ask for the same call again.
            self.tally.put.clear();
            self.tally.bought.clear();
        }
    }

    /// A later failure of the model does not undo the calls before it, so the customer is told of
    /// both.
    fn fail(&mut self, failure: TurnFailure) -> TurnEffect {
        if self.done.is_empty() {
            return TurnEffect::Break(failure);
        }
        let done = self.done.join(" ");
        self.say(&format!("{done} ({failure})"));
        TurnEffect::Finish
    }

    fn answer(&mut self, call: &ToolCall, text: String) {
        self.conversation.push(Message::Tool {
            call: call.id.clone(),
            text,
        });
    }

    fn say(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if !self.words.is_empty() {
            self.words.push_str("\n\n");
        }
        self.words.push_str(text);
    }
}
