//! A language model behind an OpenAI-compatible API: OpenAI, Flock, llama.cpp, vLLM, Ollama and
//! others. They differ in how they stream, in which members they leave out and in how they fail.
//! `wire` reads them all leniently, `collect` joins streamed pieces, and `repair` finds the tool
//! calls that some models write as plain text. Text from other authors reaches a model only through
//! `inert`.

mod collect;
mod connection;
mod failure;
mod finish;
mod inert;
mod repair;
mod wire;

use std::sync::{Mutex, PoisonError};

use api_types::AgentInfo;
use async_openai::{Client, error::OpenAIError};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use service::health::CheckResult;
use url::Url;

use super::{Model, ModelError, ModelRequest, Provider, WordSink};
use crate::turn::ModelAnswer;
use collect::Collected;
use connection::Connection;

/// An OpenAI-compatible model.
pub struct OpenAi {
    provider: Provider,
    client: Client<Connection>,
    /// The last error. A request to the model costs money, so the readiness check reads this
    /// instead.
    last: Mutex<Option<ModelError>>,
}

impl OpenAi {
    /// Makes a client for this provider.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(provider: Provider) -> anyhow::Result<Self> {
        Ok(Self {
            client: connection::connect(&provider)?,
            provider,
            last: Mutex::new(None),
        })
    }

    async fn ask(
        &self,
        question: ModelRequest<'_>,
        words: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
        let request = wire::request(&self.provider, question);
        if !self.provider.streams {
            let chat = self.client.chat();
            let answer = chat.create_byot::<_, wire::WholeResponse>(&request).await;
            let mut collected = Collected::default();
            collected.whole(answer.map_err(|error| self.read(&error))?)?;
            collected.complete()?;
            return Ok(collected.finish(words));
        }
        let mut tries = 0;
        loop {
            let mut collected = Collected::default();
            match self.stream(&request, &mut collected, words).await {
                Ok(()) => return Ok(collected.finish(words)),
                // Words that were shown cannot be taken back, so only an attempt that showed none
                // is retried.
                Err(ModelError::Away | ModelError::Nonsense)
                    if !collected.has_spoken() && tries == 0 =>
                {
                    tries += 1
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn stream(
        &self,
        request: &serde_json::Value,
        collected: &mut Collected,
        words: WordSink<'_>,
    ) -> Result<(), ModelError> {
        let chat = self.client.chat();
        let stream = chat.create_stream_byot::<_, wire::Chunk>(request).await;
        let mut stream = stream.map_err(|error| self.read(&error))?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.read(&error))?;
            collected.piece(chunk, words)?;
        }
        collected.complete()
    }

    fn read(&self, error: &OpenAIError) -> ModelError {
        let read = failure::read(error);
        tracing::warn!(llm.provider = self.provider.kind.name(), llm.failure = ?read, "the provider did not answer");
        read
    }
}

#[async_trait]
impl Model for OpenAi {
    async fn answer(
        &self,
        question: ModelRequest<'_>,
        words: WordSink<'_>,
    ) -> Result<ModelAnswer, ModelError> {
        let answer = self.ask(question, words).await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = answer.as_ref().err().copied();
        answer
    }

    fn info(&self) -> AgentInfo {
        let provider = &self.provider;
        AgentInfo {
            provider: provider.kind.name().to_owned(),
            // The path and port of an operator's own server stay private.
            base_url: Url::parse(&provider.base_url)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned)),
            model_name: provider.model.clone(),
            // No character of the key is shown, since it would help only a thief.
            api_key: provider.key.as_ref().map(|_| "********".to_owned()),
        }
    }

    async fn check(&self) -> CheckResult {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last {
            Some(error @ (ModelError::Key | ModelError::Missing)) => Err(error.to_string()),
            _ => Ok(format!("{} is configured", self.provider.kind.name())),
        }
    }
}
