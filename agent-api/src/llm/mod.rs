//! The models that answer the customer: a language model behind an OpenAI-compatible API, or the
//! built-in assistant, which has no model. The providers' words stay in this module. The rest of
//! the service gives a [`ModelRequest`] to a [`Model`] and gets an answer.

pub mod metered;
pub mod offline;
pub mod openai;
mod prompt;
mod provider;

use std::net::IpAddr;

use api_types::AgentInfo;
use async_trait::async_trait;
use service::health::CheckResult;

use crate::{conversation::Message, turn::ModelAnswer};

pub use prompt::instructions;
pub use provider::{Provider, ProviderKind};

/// A request to the model.
#[derive(Debug, Clone, Copy)]
pub struct ModelRequest<'a> {
    /// The messages so far.
    pub conversation: &'a [Message],
    /// Whether the model may call tools.
    pub tools: bool,
    /// Whether the model's last answer was empty, so that this is a second attempt.
    pub again: bool,
    /// The turn's id, for the provider's log.
    pub turn: &'a str,
    /// The caller's address, whose budget the tokens count against.
    pub address: IpAddr,
}

/// Why the model did not answer. The texts are for customers; details are logged where the error
/// occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The provider refuses the key.
    #[error(
        "The language model's provider refuses this service's key; the operator has to set a good one."
    )]
    Key,
    /// The provider does not offer the model.
    #[error("The language model's provider does not know the model that this service asks for.")]
    Missing,
    /// Too many requests or no credit left, also after retries.
    #[error("The language model's provider is overloaded or out of credit; try again in a moment.")]
    Busy,
    /// The provider cannot be reached, or the connection broke off.
    #[error("The language model cannot be reached just now; try again in a moment.")]
    Away,
    /// The model did not answer in time.
    #[error("The language model took too long to answer.")]
    Slow,
    /// The conversation is too long for the model.
    #[error("The conversation is too long for the language model; start a new one.")]
    TooLong,
    /// The answer reached the maximum length before it was complete.
    #[error("The language model's answer was cut off before it was whole; nothing was done.")]
    CutOff,
    /// A filter of the provider stopped the answer.
    #[error("A filter of the language model's provider stopped the answer; nothing was done.")]
    Filtered,
    /// The answer cannot be read.
    #[error("The language model gave an answer that cannot be used.")]
    Nonsense,
}

/// Receives the words as they arrive.
pub type WordSink<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A language model, or the rules that replace one.
#[async_trait]
pub trait Model: Send + Sync {
    /// Answers a request. The words go to `words` as they arrive, and are in the answer as well.
    ///
    /// # Errors
    /// The model did not answer; the error says why.
    async fn answer(
        &self,
        question: ModelRequest<'_>,
        words: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError>;

    /// The description of the model for the interface.
    fn info(&self) -> AgentInfo;

    /// Whether the model can be used, for the readiness check.
    async fn check(&self) -> CheckResult;
}
