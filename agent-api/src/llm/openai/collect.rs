//! Collects the pieces of a streamed answer and shows its words as they arrive. Words that may turn
//! out to be a tool call written as text, or a model's thoughts, are held back until that is
//! decided.

use service::crypto;

use super::{
    finish::{self, Finish},
    repair, wire,
};
use crate::{
    conversation::ToolCall,
    llm::{ModelError, WordSink},
    turn::ModelAnswer,
};

/// The maximum size of an answer in bytes, so that a model that never stops is cut off.
const MAX_RESPONSE: usize = 64 * 1024;
/// The maximum number of tool calls in one answer.
const MAX_CALLS: usize = 64;

/// The characters with which a tool call written as text begins.
const SUSPICIOUS: [char; 4] = ['{', '[', '<', '`'];
/// The notice after an answer that was cut off.
const CUT_OFF: &str = "\n\n(The answer was cut off here.)";

/// The parts of the answer received so far.
#[derive(Debug, Default)]
pub(super) struct Collected {
    text: String,
    calls: Vec<StreamedCall>,
    shown: StreamedText,
    /// Why the answer ended; absent while it is still coming.
    finish: Option<Finish>,
    /// The tokens used, as the provider reports them.
    tokens: Option<u64>,
}

/// How much of the text was shown to the customer.
#[derive(Debug, Default, PartialEq)]
enum StreamedText {
    /// Nothing yet: only white space has arrived.
    #[default]
    Nothing,
    /// Nothing: the text is held back because it may be a tool call.
    HeldBack,
    /// All of it.
    Everything,
}

#[derive(Debug, Default)]
struct StreamedCall {
    index: Option<usize>,
    id: String,
    tool: String,
    arguments: String,
}

impl Collected {
    /// Whether words were already shown to the customer.
    pub(super) fn has_spoken(&self) -> bool {
        self.shown == StreamedText::Everything
    }

    /// Takes an answer that arrived in one piece.
    ///
    /// # Errors
    /// The answer is too long.
    pub(super) fn whole(&mut self, whole: wire::WholeResponse) -> Result<(), ModelError> {
        self.tokens = whole.usage.total_tokens;
        if let Some(choice) = whole.choices.into_iter().next() {
            self.text = choice.message.words();
            for (position, mut call) in choice.message.tool_calls.into_iter().enumerate() {
                call.index = Some(position);
                self.call(&call);
            }
            self.finish = choice.finish_reason.as_deref().and_then(finish::read);
        }
        self.bounded()
    }

    /// Takes one piece of a streamed answer.
    ///
    /// # Errors
    /// The server reports a failure, or the answer is too long.
    pub(super) fn piece(
        &mut self,
        chunk: wire::Chunk,
        words: WordSink<'_>,
    ) -> Result<(), ModelError> {
        if !chunk.error.is_null() {
            return Err(ModelError::Away);
        }
        self.tokens = chunk.usage.total_tokens.or(self.tokens);
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(());
        };
        self.words(&choice.delta.words(), words);
        for call in &choice.delta.tool_calls {
            self.call(call);
        }
        let finish = choice.finish_reason.as_deref().and_then(finish::read);
        self.finish = self.finish.or(finish);
        self.bounded()
    }

    fn bounded(&self) -> Result<(), ModelError> {
        let arguments = self.calls.iter().map(|call| call.arguments.len());
        let size = self.text.len() + arguments.sum::<usize>();
        if size > MAX_RESPONSE || self.calls.len() > MAX_CALLS {
            return Err(ModelError::Nonsense);
        }
        Ok(())
    }

    /// Checks an answer that has ended. Some servers give no finish reason; then complete arguments
    /// are the only sign that nothing is missing.
    ///
    /// # Errors
    /// The answer was cut off, filtered or broken off, and holds tool calls or nothing at all. None
    /// of its tool calls is made.
    pub(super) fn complete(&mut self) -> Result<(), ModelError> {
        let whole = |call: &StreamedCall| {
            call.arguments.is_empty()
                || serde_json::from_str::<serde_json::Value>(&call.arguments).is_ok()
        };
        match self.finish {
            Some(Finish::Whole) => Ok(()),
            None if self.calls.iter().all(whole) => Ok(()),
            None => Err(ModelError::Away),
            Some(Finish::Broken(why)) => {
                self.calls.clear();
                // Words that can be read are more useful to the customer than an error.
                match self.is_words() {
                    true => Ok(()),
                    false => Err(why),
                }
            }
        }
    }

    /// Whether the text is for the customer, and not a tool call written as text.
    fn is_words(&self) -> bool {
        let text = repair::without_thoughts(&self.text).trim();
        !text.is_empty() && !text.starts_with(SUSPICIOUS)
    }

    fn words(&mut self, piece: &str, words: WordSink<'_>) {
        self.text.push_str(piece);
        match self.shown {
            StreamedText::Everything => words(piece),
            StreamedText::HeldBack => {}
            StreamedText::Nothing => match self.text.trim_start().chars().next() {
                None => {}
                Some(c) if SUSPICIOUS.contains(&c) => self.shown = StreamedText::HeldBack,
                Some(_) => {
                    self.shown = StreamedText::Everything;
                    words(self.text.trim_start());
                }
            },
        }
    }

    fn call(&mut self, piece: &wire::CallPiece) {
        let id = piece.id.clone().unwrap_or_default();
        let known = self.calls.iter().rposition(|call| match piece.index {
            // Some servers number every tool call 0 and distinguish them by id only.
            Some(index) => {
                call.index == Some(index) && (id.is_empty() || call.id.is_empty() || call.id == id)
            }
            None if id.is_empty() => piece.function.name.is_none(),
            None => call.id == id,
        });
        let position = known.unwrap_or_else(|| {
            self.calls.push(StreamedCall {
                index: piece.index,
                ..StreamedCall::default()
            });
            self.calls.len() - 1
        });
        let call = &mut self.calls[position];
        if call.id.is_empty() {
            call.id = id;
        }
        if call.tool.is_empty() {
            call.tool
                .push_str(piece.function.name.as_deref().unwrap_or_default());
        }
        call.arguments.push_str(&piece.function.arguments());
    }

    /// The finished answer. Text that was held back and is no tool call is shown now.
    pub(super) fn finish(self, words: WordSink<'_>) -> ModelAnswer {
        let mut calls: Vec<ToolCall> = Vec::new();
        for piece in self
            .calls
            .into_iter()
            .filter(|piece| !piece.tool.is_empty())
        {
            // A missing or repeated id would leave a tool result without its call.
            let taken = piece.id.is_empty() || calls.iter().any(|call| call.id == piece.id);
            let id = if taken { new_id() } else { piece.id };
            calls.push(ToolCall {
                id,
                tool: piece.tool,
                arguments: piece.arguments,
            });
        }
        let mut text = repair::without_thoughts(&self.text).to_owned();
        let broken = matches!(self.finish, Some(Finish::Broken(_)));
        if broken {
            text.push_str(CUT_OFF);
        }
        if calls.is_empty()
            && !broken
            && self.shown != StreamedText::Everything
            && let Some(found) = repair::calls_in(&text)
        {
            tracing::info!(
                llm.repaired = found.len(),
                "tool calls were written as text"
            );
            let found = found.into_iter().map(|(tool, arguments)| ToolCall {
                id: new_id(),
                tool,
                arguments,
            });
            calls = found.collect();
            text.clear();
        }
        match self.shown {
            StreamedText::Everything if broken => words(CUT_OFF),
            StreamedText::Everything => {}
            _ if text.trim().is_empty() => {}
            _ => words(&text),
        }
        ModelAnswer {
            text,
            calls,
            tokens: self.tokens,
        }
    }
}

fn new_id() -> String {
    format!("call_{}", crypto::random_hex(8))
}

#[cfg(test)]
mod tests;
