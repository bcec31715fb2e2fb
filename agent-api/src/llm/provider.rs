//! The provider of the language model, as configured.

use service::env::Secret;

/// A provider of a language model.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Which provider it is.
    pub kind: ProviderKind,
    /// The address of its API, without a trailing slash: `LLM_BASE_URL`.
    pub base_url: String,
    /// The model's name: `LLM_MODEL`.
    pub model: String,
    /// The key; local servers often need none.
    pub key: Option<Secret>,
    /// Whether answers are streamed: `LLM_STREAM`.
    pub streams: bool,
    /// The maximum number of tokens of one answer: `LLM_MAX_TOKENS`.
    pub max_tokens: u32,
}

/// The providers whose requests differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenAI itself.
    OpenAi,
    /// Flock's API platform, which takes the key in either of two headers.
    Flockio,
    /// llama.cpp, vLLM, Ollama and other servers with the same API.
    Compatible,
}

impl ProviderKind {
    /// Its name in `LLM_PROVIDER`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Flockio => "flockio",
            Self::Compatible => "openai-compatible",
        }
    }
}
