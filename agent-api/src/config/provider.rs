//! The provider of the language model, read from the environment.

use service::env::{Env, Secret, schema::Variable};
use url::Url;

use super::{
    base_url,
    variables::{
        FLOCK_API_KEY, FLOCKIO_API_KEY, LLM_API_KEY, LLM_BASE_URL, LLM_MAX_TOKENS, LLM_MODEL,
        LLM_PROVIDER, LLM_STREAM, OPENAI_API_KEY,
    },
};
use crate::llm::{Provider, ProviderKind};

/// Reads the provider. `None` is the built-in assistant, which is chosen by name or because no key
/// or address is configured.
pub(super) fn read(env: &mut Env) -> Option<Provider> {
    let keys = ProviderKeys::read(env);
    let address = env.find_text(&LLM_BASE_URL);
    let implied = match (&keys.openai, &keys.flock) {
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
    let (base, model, variable) = match kind {
        ProviderKind::OpenAi => {
            let base = "https://api.openai.com/v1";
            (base, "gpt-4o-mini", Some(&OPENAI_API_KEY))
        }
        ProviderKind::Flockio => {
            let model = "qwen3-235b-a22b-instruct-2507";
            ("https://api.flock.io/v1", model, Some(&FLOCKIO_API_KEY))
        }
        ProviderKind::Compatible => {
            require(env, &LLM_BASE_URL, address.is_some());
            let named = env.find_text(&LLM_MODEL).is_some();
            require(env, &LLM_MODEL, named);
            (LLM_BASE_URL.example, LLM_MODEL.example, None)
        }
    };
    let base = address.as_deref().unwrap_or(base);
    let key = keys.for_address(base);
    if let (Some(variable), None) = (variable, &key) {
        // A provider's key is not sent to another server's address, so such a server needs its own
        // key.
        let own = ProviderHost::from_address(base).is_some();
        require(env, if own { variable } else { &LLM_API_KEY }, false);
    }
    Some(Provider {
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

/// The keys that are set.
struct ProviderKeys {
    openai: Option<Secret>,
    flock: Option<Secret>,
    own: Option<Secret>,
}

/// A provider's host. Its keys are sent to no other host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProviderHost {
    OpenAi,
    Flock,
}

impl ProviderHost {
    /// The provider that an address belongs to. Only HTTPS and its whole host name count.
    fn from_address(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok()?;
        let port = url.port_or_known_default();
        let name = url
            .host_str()
            .filter(|_| url.scheme() == "https" && port == Some(443))?;
        let within = |domain: &str| {
            let before = name.strip_suffix(domain);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        // OpenAI has regional host names below its own.
        if within("api.openai.com") {
            Some(Self::OpenAi)
        } else if name == "api.flock.io" {
            Some(Self::Flock)
        } else {
            None
        }
    }
}

impl ProviderKeys {
    fn read(env: &mut Env) -> Self {
        Self {
            openai: env.find_secret(&OPENAI_API_KEY),
            // Both variable names are in use.
            flock: env
                .find_secret(&FLOCKIO_API_KEY)
                .or_else(|| env.find_secret(&FLOCK_API_KEY)),
            own: env.find_secret(&LLM_API_KEY),
        }
    }

    /// The key for an address: the provider's own key for its own host, and `LLM_API_KEY` for any
    /// other host and for a provider without a key of its own.
    fn for_address(self, address: &str) -> Option<Secret> {
        match ProviderHost::from_address(address) {
            Some(ProviderHost::OpenAi) => self.openai.or(self.own),
            Some(ProviderHost::Flock) => self.flock.or(self.own),
            None => self.own,
        }
    }
}

fn require(env: &mut Env, variable: &Variable, there: bool) {
    if !there {
        let what = "is not set, and LLM_PROVIDER needs it (LLM_PROVIDER=offline needs nothing)";
        env.reject(variable, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_the_whole_host_name_identify_a_provider() {
        let cases = [
            ("https://api.openai.com/v1", Some(ProviderHost::OpenAi)),
            ("https://eu.api.openai.com/v1", Some(ProviderHost::OpenAi)),
            ("https://api.flock.io/v1", Some(ProviderHost::Flock)),
            ("http://api.openai.com/v1", None),
            ("https://api.openai.com:8443/v1", None),
            ("https://notapi.openai.com/v1", None),
            ("https://api.openai.com.evil.example/v1", None),
            ("https://api.openai.com@evil.example/v1", None),
            ("https://evil.example/api.openai.com", None),
            ("http://127.0.0.1:8080/v1", None),
            ("nonsense", None),
        ];
        for (address, expected) in cases {
            assert_eq!(ProviderHost::from_address(address), expected, "{address}");
        }
    }
}
