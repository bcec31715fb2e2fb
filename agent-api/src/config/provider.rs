//! Which language model answers, and where.

use service::env::{Env, Secret};

use super::base_url;

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

impl Provider {
    /// Reads the provider; `None` is the built-in assistant, chosen by name or because nothing else is configured.
    pub(super) fn read(env: &mut Env) -> Option<Self> {
        let openai_key = env.optional_secret("OPENAI_API_KEY");
        // Both names are in use.
        let flock_key = env
            .optional_secret("FLOCKIO_API_KEY")
            .or_else(|| env.optional_secret("FLOCK_API_KEY"));
        let implied = match (&openai_key, &flock_key) {
            _ if env.optional_text("LLM_BASE_URL").is_some() => Some(ProviderKind::Compatible),
            (Some(_), _) => Some(ProviderKind::OpenAi),
            (None, Some(_)) => Some(ProviderKind::Flockio),
            (None, None) => None,
        };
        let words = [
            ("offline", None),
            ("openai", Some(ProviderKind::OpenAi)),
            ("flockio", Some(ProviderKind::Flockio)),
            ("openai-compatible", Some(ProviderKind::Compatible)),
        ];
        let kind = env.choice("LLM_PROVIDER", implied, &words)?;
        let (base, model, key) = match kind {
            ProviderKind::OpenAi => {
                require(env, "OPENAI_API_KEY", openai_key.is_some());
                ("https://api.openai.com/v1", "gpt-4o-mini", openai_key)
            }
            ProviderKind::Flockio => {
                require(env, "FLOCKIO_API_KEY", flock_key.is_some());
                let model = "qwen3-235b-a22b-instruct-2507";
                ("https://api.flock.io/v1", model, flock_key)
            }
            ProviderKind::Compatible => {
                if env.optional_text("LLM_BASE_URL").is_none() {
                    env.problem("LLM_BASE_URL", "is not set", "http://127.0.0.1:8080/v1");
                }
                if env.optional_text("LLM_MODEL").is_none() {
                    env.problem("LLM_MODEL", "is not set", "llama-3.2-3b-instruct");
                }
                let key = env.optional_secret("LLM_API_KEY").or(openai_key);
                ("http://127.0.0.1:8080/v1", "", key)
            }
        };
        Some(Self {
            kind,
            base_url: base_url(env, "LLM_BASE_URL", base),
            model: env.text("LLM_MODEL", model),
            key,
            streams: env.flag("LLM_STREAM", true),
            max_tokens: env.number_in("LLM_MAX_TOKENS", 1024, 16..=32_768),
        })
    }
}

fn require(env: &mut Env, name: &str, there: bool) {
    if !there {
        env.problem(
            name,
            "is not set, and LLM_PROVIDER needs it (LLM_PROVIDER=offline needs none)",
            "sk-…",
        );
    }
}
