//! A turn of the conversation as a pure state machine: events in, effects out. What it holds is everything that a suspended turn
//! needs to go on, on this or another replica, so it is written into the sealed `pending` as it is. The
//! [`driver`](crate::driver) performs the effects.
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

/// What the model hears of a call that is over the bound.
const TOO_MANY: &str = r#"{"ok":false,"error":"Too many tool calls in this turn. Answer the customer with what you have."}"#;
/// What the model hears when it wants the same thing done twice.
const REPEATED: &str =
    "This very call was already put to the customer. Ask them before you repeat it.";
/// What the model hears when it wants another of what the customer has just paid for.
const ANOTHER: &str =
    "A lease of this size was just paid for. Ask the customer before you make another.";
/// What the model hears of the calls after one that the customer gave up.
const SKIPPED: &str =
    r#"{"ok":false,"error":"Not done: the customer gave up the call before it."}"#;

/// A turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    id: String,
    conversation: Vec<Message>,
    state: TurnState,
    tally: TurnCounts,
    /// The agent's words since the last answer to the customer.
    #[serde(skip)]
    words: String,
    /// What was done since the last answer to the customer, for people.
    #[serde(skip)]
    done: Vec<String>,
}

/// Where a turn is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TurnState {
    /// Nothing has happened.
    Begun,
    /// The model is asked.
    Thinking { tools: bool },
    /// A tool is called.
    Working {
        call: ToolCall,
        rest: VecDeque<ToolCall>,
    },
    /// A call waits for the customer.
    Waiting {
        call: ToolCall,
        rest: VecDeque<ToolCall>,
    },
    /// There is nothing more to do.
    Over,
}

/// What counts against the bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct TurnCounts {
    calls: u32,
    rounds: u32,
    silences: u32,
    /// The calls that were put to the customer, by [`CallFingerprint::call`].
    put: Vec<String>,
    /// What was paid for, by [`CallFingerprint::kind`].
    #[serde(default)]
    bought: Vec<String>,
}

impl Turn {
    /// A turn about a conversation whose last message is the customer's.
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

    /// Its id, which the lease API's log shows for the calls that it makes.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the model reads.
    pub fn conversation(&self) -> &[Message] {
        &self.conversation
    }

    /// The agent's words since the last answer to the customer.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Whether something was done since the last answer to the customer, so that this answer must not get lost.
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

    /// Why a call may not be put to the customer without a new word of theirs, for the model.
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

    /// Takes an event and says what is to be done about it.
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
                // What money moved for is told whatever became of it.
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

    /// The next of the calls, or the model.
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
            // The customer's new word: what they want now is theirs to say again.
            self.tally.put.clear();
            self.tally.bought.clear();
        }
    }

    /// What was done is not taken back by a model that fails afterwards: the customer is told of both.
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
