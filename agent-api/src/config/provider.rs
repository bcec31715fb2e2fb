//! Which language model answers, and where.

use service::env::{Env, Secret, schema::Variable};

use super::{
    base_url,
    variables::{
        FLOCK_API_KEY, FLOCKIO_API_KEY, LLM_API_KEY, LLM_BASE_URL, LLM_MAX_TOKENS, LLM_MODEL,
        LLM_PROVIDER, LLM_STREAM, OPENAI_API_KEY,
    },
};

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
        let openai_key = env.find_secret(&OPENAI_API_KEY);
        // Both names are in use.
        let flock_key = env
            .find_secret(&FLOCKIO_API_KEY)
            .or_else(|| env.find_secret(&FLOCK_API_KEY));
        let address = env.find_text(&LLM_BASE_URL);
        let implied = match (&openai_key, &flock_key) {
            _ if address.is_some() => Some(ProviderKind::Compatible),
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
        let kind = env.choice(LLM_PROVIDER.name, implied, &words)?;
        let (base, model, key) = match kind {
            ProviderKind::OpenAi => {
                require(env, &OPENAI_API_KEY, openai_key.is_some());
                ("https://api.openai.com/v1", "gpt-4o-mini", openai_key)
            }
            ProviderKind::Flockio => {
                require(env, &FLOCKIO_API_KEY, flock_key.is_some());
                let model = "qwen3-235b-a22b-instruct-2507";
                ("https://api.flock.io/v1", model, flock_key)
            }
            ProviderKind::Compatible => {
                require(env, &LLM_BASE_URL, address.is_some());
                let named = env.find_text(&LLM_MODEL).is_some();
                require(env, &LLM_MODEL, named);
                let key = env.find_secret(&LLM_API_KEY).or(openai_key);
                (LLM_BASE_URL.example, LLM_MODEL.example, key)
            }
        };
        let base = address.as_deref().unwrap_or(base);
        Some(Self {
            kind,
            base_url: base_url(env, &LLM_BASE_URL, base),
            model: env
                .find_text(&LLM_MODEL)
                .unwrap_or_else(|| model.to_owned()),
            key,
            streams: env.read_flag(&LLM_STREAM),
            max_tokens: env.read_in(&LLM_MAX_TOKENS, 16..=32_768),
        })
    }
}

fn require(env: &mut Env, variable: &Variable, there: bool) {
    if !there {
        let what = "is not set, and LLM_PROVIDER needs it (LLM_PROVIDER=offline needs nothing)";
        env.reject(variable, what);
    }
}
