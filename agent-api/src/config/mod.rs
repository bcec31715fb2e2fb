//! The configuration, read once at start. All mistakes are reported together, each with the
//! variable's name and an example.

mod policy;
mod provider;
mod secret;
#[cfg(test)]
mod tests;
mod variables;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::HeaderValue;
use service::env::{Env, Problems, Secret, schema::Variable};
use url::Url;

use crate::{
    limits::ChatLimitSettings,
    llm::{Provider, metered::TokenBudget},
    policy::Policy,
};

pub use secret::SecretSource;
pub use variables::SCHEMA;

/// The minimum and maximum of [`ChatLimitSettings::calls_per_minute`].
const ONE: NonZeroU32 = NonZeroU32::MIN;
const MANY: NonZeroU32 = NonZeroU32::new(100_000).expect("is not 0");

/// The configuration of the process.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on: `BIND` and `PORT`.
    pub listen: SocketAddr,
    /// The lease API, without a trailing slash: `BACKEND_BASE_URL`.
    pub backend: String,
    /// The timeout of requests to the lease API without a payment: `BACKEND_TIMEOUT_SECONDS`.
    pub backend_timeout: Duration,
    /// The secret that proves to the lease API that this is a service of the same operator:
    /// `SERVICES_SECRET`.
    pub services_secret: Option<Secret>,
    /// Origins of browser pages that may use the API: `ALLOWED_ORIGINS`.
    pub allowed_origins: Vec<HeaderValue>,
    /// The language model; the built-in assistant if absent.
    pub llm: Option<Provider>,
    /// The secret that seals suspended calls: `AGENT_SECRET`, or a file in `DATA_DIR`.
    pub secret: SecretSource,
    /// The limits on payments that are relayed.
    pub policy: Policy,
    /// The time limit of one response to the customer, without paid calls: `TURN_TIMEOUT_SECONDS`.
    pub turn_timeout: Duration,
    /// The time limit of one answer of the model: `LLM_TIMEOUT_SECONDS`.
    pub model_timeout: Duration,
    /// How long a suspended call can be resumed, in seconds: `PENDING_SECONDS`.
    pub pending_seconds: u64,
    /// The rate and concurrency limits of the chat.
    pub limits: ChatLimitSettings,
    /// The token budgets of callers.
    pub budget: TokenBudget,
    /// The number of the operator's proxies in front of the service: `TRUSTED_PROXIES`.
    pub trusted_proxies: usize,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// All problems, each with the variable's name and an example.
    pub fn from_env(env: Env) -> Result<Self, Problems> {
        let mut env = env.for_schema(&SCHEMA);
        let bind: IpAddr = env.read(&variables::BIND);
        let port = env.read(&variables::PORT);
        let text = env.read_text(&variables::BACKEND_BASE_URL);
        let backend = base_url(&mut env, &variables::BACKEND_BASE_URL, &text);
        let backend_timeout = env.read_in(&variables::BACKEND_TIMEOUT_SECONDS, 1..=120);
        let services_secret = env.find_secret(&variables::SERVICES_SECRET);
        let short = |secret: &Secret| secret.expose().len() < secret::SHORTEST;
        if services_secret.as_ref().is_some_and(short) {
            let what = format!("is shorter than {} characters", secret::SHORTEST);
            env.reject(&variables::SERVICES_SECRET, what);
        }
        let allowed_origins = allowed_origins(&mut env);
        let llm = provider::read(&mut env);
        let secret = SecretSource::read(&mut env);
        let policy = policy::read(&mut env);
        let turn_timeout = env.read_in(&variables::TURN_TIMEOUT_SECONDS, 1..=900);
        let model_timeout = env.read_in(&variables::LLM_TIMEOUT_SECONDS, 1..=600);
        let pending_seconds = env.read_in(&variables::PENDING_SECONDS, 30..=86_400);
        let limits = ChatLimitSettings {
            calls_per_minute: env.read_in(&variables::CHAT_CALLS_PER_MINUTE, ONE..=MANY),
            turns: env.read_in(&variables::CHAT_TURNS_AT_A_TIME, 1..=10_000),
            turns_per_address: env.read_in(&variables::CHAT_TURNS_PER_ADDRESS, 1..=10_000),
        };
        let budget = TokenBudget {
            of_all: env.read(&variables::LLM_TOKENS_PER_DAY),
            of_one: env.read(&variables::LLM_TOKENS_PER_ADDRESS),
        };
        let trusted_proxies = env.read(&variables::TRUSTED_PROXIES);
        env.finish_with(|| {
            Some(Self {
                listen: SocketAddr::new(bind, port),
                backend,
                backend_timeout: Duration::from_secs(backend_timeout),
                services_secret,
                allowed_origins,
                llm,
                secret,
                policy,
                turn_timeout: Duration::from_secs(turn_timeout),
                model_timeout: Duration::from_secs(model_timeout),
                pending_seconds,
                limits,
                budget,
                trusted_proxies,
            })
        })
    }
}

/// An address without a trailing slash.
fn base_url(env: &mut Env, variable: &Variable, text: &str) -> String {
    let read = Url::parse(text);
    let fits = read.is_ok_and(|url| {
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        plain && url.has_host() && ["http", "https"].contains(&url.scheme())
    });
    if !fits {
        env.reject(
            variable,
            "is no address that begins with http:// or https://",
        );
    }
    text.trim_end_matches('/').to_owned()
}

/// `*` is never allowed, because the pages that use the API send wallet sessions.
fn allowed_origins(env: &mut Env) -> Vec<HeaderValue> {
    let named = env.read_list(&variables::ALLOWED_ORIGINS);
    let read = |text: &String| {
        let origin = Url::parse(text).ok()?.origin();
        (origin.ascii_serialization() == *text).then(|| HeaderValue::from_str(text).ok())?
    };
    let origins: Vec<_> = named.iter().filter_map(read).collect();
    if origins.len() < named.len() {
        let what =
            "has an entry that is no origin: scheme, host and port, without a path and without *";
        env.reject(&variables::ALLOWED_ORIGINS, what);
    }
    origins
}
