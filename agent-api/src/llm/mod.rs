//! Who answers the customer: a language model behind an OpenAI-compatible API, or the built-in assistant that is none. The words of
//! providers stay in here; the rest of the service knows a [`Model`] that is asked a [`ModelRequest`] and says something.

pub mod metered;
pub mod offline;
pub mod openai;
mod prompt;
mod provider;

use std::net::IpAddr;

use api_types::AgentInfo;
use async_trait::async_trait;
use service::health::Finding;

use crate::{conversation::Message, turn::ModelAnswer};

pub use prompt::instructions;
pub use provider::{Provider, ProviderKind};

/// What the model is asked.
#[derive(Debug, Clone, Copy)]
pub struct ModelRequest<'a> {
    /// What was said so far.
    pub conversation: &'a [Message],
    /// Whether it may call tools.
    pub tools: bool,
    /// Whether it answered nothing before.
    pub again: bool,
    /// The turn, for the provider's log.
    pub turn: &'a str,
    /// Where the customer calls from: what is used counts against it.
    pub address: IpAddr,
}

/// Why the model did not answer. The texts are for customers; particulars are logged where they are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The provider refuses the key.
    #[error(
        "The language model's provider refuses this service's key; the operator has to set a good one."
    )]
    Key,
    /// The provider does not have the model.
    #[error("The language model's provider does not know the model that this service asks for.")]
    Missing,
    /// Too many requests or no credit left, also after some tries.
    #[error("The language model's provider is overloaded or out of credit; try again in a moment.")]
    Busy,
    /// The provider cannot be reached or breaks off.
    #[error("The language model cannot be reached just now; try again in a moment.")]
    Away,
    /// It did not answer in time.
    #[error("The language model took too long to answer.")]
    Slow,
    /// The conversation is too long for it.
    #[error("The conversation is too long for the language model; start a new one.")]
    TooLong,
    /// It was cut off at its longest length before it was whole.
    #[error("The language model's answer was cut off before it was whole; nothing was done.")]
    CutOff,
    /// A filter of the provider's stopped it.
    #[error("A filter of the language model's provider stopped the answer; nothing was done.")]
    Filtered,
    /// What came is no answer.
    #[error("The language model gave an answer that cannot be used.")]
    Nonsense,
}

/// Takes the words while they come.
pub type WordSink<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Somebody who answers.
#[async_trait]
pub trait Model: Send + Sync {
    /// Answers a question; its words go to `words` as they come, and are in the answer as well.
    ///
    /// # Errors
    /// There is no answer.
    async fn answer(
        &self,
        question: ModelRequest<'_>,
        words: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError>;

    /// What the interface shows of it.
    fn info(&self) -> AgentInfo;

    /// Whether it can be asked.
    async fn check(&self) -> Finding;
}
