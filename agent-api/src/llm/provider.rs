//! Which language model is asked, and where: what the configuration says of a provider.

use service::env::Secret;

/// A provider of a language model.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Which one.
    pub kind: ProviderKind,
    /// Where it answers, without a trailing slash: `LLM_BASE_URL`.
    pub base_url: String,
    /// The model's name: `LLM_MODEL`.
    pub model: String,
    /// The key; local servers often need none.
    pub key: Option<Secret>,
    /// Whether it is asked to stream: `LLM_STREAM`.
    pub streams: bool,
    /// The most tokens of one answer: `LLM_MAX_TOKENS`.
    pub max_tokens: u32,
}

/// The providers that differ in what they want to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenAI itself.
    OpenAi,
    /// Flock's API platform, which takes the key in either of two headers.
    Flockio,
    /// llama.cpp, vLLM, Ollama and whatever else speaks the same.
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
