//! All variables of this service.

use service::{
    env::schema::{Gone, Group, Schema, Variable},
    telemetry,
};

/// The schema of the service's variables.
pub static SCHEMA: Schema = Schema {
    service: "agent-api",
    groups: &[
        &MODEL,
        &WORK,
        &POLICY,
        &SUSPENDED,
        &SERVER,
        &telemetry::VARIABLES,
    ],
    gone: &[Gone {
        name: "PRIVATE_KEY",
        instead: "the agent holds no key; customers sign in their own wallets",
    }],
};

static MODEL: Group = Group {
    title: "Language model",
    variables: &[
        &LLM_PROVIDER,
        &OPENAI_API_KEY,
        &FLOCKIO_API_KEY,
        &FLOCK_API_KEY,
        &LLM_BASE_URL,
        &LLM_MODEL,
        &LLM_API_KEY,
        &LLM_STREAM,
        &LLM_MAX_TOKENS,
        &LLM_TIMEOUT_SECONDS,
        &LLM_TOKENS_PER_DAY,
        &LLM_TOKENS_PER_ADDRESS,
    ],
};
pub(super) static LLM_PROVIDER: Variable = Variable::optional(
    "LLM_PROVIDER",
    "openai-compatible where LLM_BASE_URL is set, else whoever has a key, else offline",
    "offline",
    "Who answers: openai, flockio, openai-compatible, or offline, which is a handful of rules and no language model.",
);
pub(super) static OPENAI_API_KEY: Variable = Variable::optional(
    "OPENAI_API_KEY",
    "OpenAI cannot answer",
    "sk-…",
    "The key for OpenAI; it is sent to api.openai.com and nowhere else.",
)
.secret();
pub(super) static FLOCKIO_API_KEY: Variable = Variable::optional(
    "FLOCKIO_API_KEY",
    "Flock cannot answer",
    "sk-…",
    "The key for Flock's API platform; it is sent to api.flock.io and nowhere else.",
)
.secret();
pub(super) static FLOCK_API_KEY: Variable = Variable::optional(
    "FLOCK_API_KEY",
    "FLOCKIO_API_KEY alone counts",
    "sk-…",
    "The same by another name.",
)
.secret();
pub(super) static LLM_BASE_URL: Variable = Variable::optional(
    "LLM_BASE_URL",
    "the provider's own address",
    "http://127.0.0.1:8080/v1",
    "Where the model answers: any server that speaks OpenAI's protocol, such as llama.cpp, vLLM or Ollama.",
);
pub(super) static LLM_MODEL: Variable = Variable::optional(
    "LLM_MODEL",
    "gpt-4o-mini at OpenAI, qwen3-235b-a22b-instruct-2507 at Flock; other servers need it",
    "llama-3.2-3b-instruct",
    "The model's name.",
);
pub(super) static LLM_API_KEY: Variable = Variable::optional(
    "LLM_API_KEY",
    "none is sent to other servers than OpenAI's and Flock's",
    "sk-…",
    "The key for the server at LLM_BASE_URL, if it wants one.",
)
.secret();
pub(super) static LLM_STREAM: Variable = Variable::with_default(
    "LLM_STREAM",
    "true",
    "Whether the model is asked to stream; false for servers that cannot.",
);
pub(super) static LLM_MAX_TOKENS: Variable = Variable::with_default(
    "LLM_MAX_TOKENS",
    "1024",
    "The most tokens of one answer, 16 to 32768.",
);
pub(super) static LLM_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "LLM_TIMEOUT_SECONDS",
    "60",
    "Seconds that the model may take for one answer, 1 to 600.",
);

pub(super) static LLM_TOKENS_PER_DAY: Variable = Variable::with_default(
    "LLM_TOKENS_PER_DAY",
    "5000000",
    "Tokens that all customers may use on one day (UTC) through one process; then the built-in rules \
     answer, and say so. 0 for no bound.",
);
pub(super) static LLM_TOKENS_PER_ADDRESS: Variable = Variable::with_default(
    "LLM_TOKENS_PER_ADDRESS",
    "1000000",
    "The same of one address (IPv6: of one /64). 0 for no bound.",
);

static WORK: Group = Group {
    title: "Lease API",
    variables: &[
        &BACKEND_BASE_URL,
        &BACKEND_TIMEOUT_SECONDS,
        &SERVICES_SECRET,
        &TURN_TIMEOUT_SECONDS,
    ],
};
pub(super) static BACKEND_BASE_URL: Variable = Variable::with_default(
    "BACKEND_BASE_URL",
    "http://127.0.0.1:4021",
    "The lease API that the agent works.",
);
pub(super) static BACKEND_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "BACKEND_TIMEOUT_SECONDS",
    "15",
    "Seconds that it may take for a call without a payment, 1 to 120.",
);
pub(super) static SERVICES_SECRET: Variable = Variable::optional(
    "SERVICES_SECRET",
    "all customers of the chat are one caller to the lease API",
    "what `openssl rand -hex 32` prints",
    "Proves to the lease API that the caller's address which it is told is true, at least 16 characters; \
     the same there.",
)
.secret();
pub(super) static TURN_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "TURN_TIMEOUT_SECONDS",
    "120",
    "Seconds that one answer to the customer may take, paid calls aside, 1 to 900.",
);

static POLICY: Group = Group {
    title: "What is relayed to be paid",
    variables: &[
        &MAX_PAYMENT_USD,
        &MAX_SESSION_USD,
        &ALLOWED_PAYEES,
        &ALLOWED_NETWORKS,
    ],
};
pub(super) static MAX_PAYMENT_USD: Variable = Variable::with_default(
    "MAX_PAYMENT_USD",
    "10.00",
    "The most that one call may cost, in dollars.",
);
pub(super) static MAX_SESSION_USD: Variable = Variable::with_default(
    "MAX_SESSION_USD",
    "50.00",
    "The most that one wallet may pay in a day through one process, in dollars.",
);
pub(super) static ALLOWED_PAYEES: Variable = Variable::optional(
    "ALLOWED_PAYEES",
    "whoever the lease API names",
    "0x…",
    "The addresses that may be paid, separated by commas.",
);
pub(super) static ALLOWED_NETWORKS: Variable = Variable::optional(
    "ALLOWED_NETWORKS",
    "every network that is known",
    "base-sepolia",
    "The networks that may be paid on, separated by commas.",
);

static SUSPENDED: Group = Group {
    title: "Suspended calls",
    variables: &[&AGENT_SECRET, &DATA_DIR, &PENDING_SECONDS],
};
pub(super) static AGENT_SECRET: Variable = Variable::optional(
    "AGENT_SECRET",
    "one is made at the first start and kept in DATA_DIR",
    "what `openssl rand -hex 32` prints",
    "What suspended calls are sealed with, at least 16 characters; the same on every replica.",
)
.secret();
pub(super) static DATA_DIR: Variable = Variable::with_default(
    "DATA_DIR",
    "data",
    "The folder where the secret is kept. It has to survive restarts where AGENT_SECRET is not set.",
);
pub(super) static PENDING_SECONDS: Variable = Variable::with_default(
    "PENDING_SECONDS",
    "900",
    "Seconds for which a suspended call can be gone on with, 30 to 86400.",
);

static SERVER: Group = Group {
    title: "Server",
    variables: &[
        &BIND,
        &PORT,
        &ALLOWED_ORIGINS,
        &CHAT_CALLS_PER_MINUTE,
        &CHAT_TURNS_AT_A_TIME,
        &CHAT_TURNS_PER_ADDRESS,
        &TRUSTED_PROXIES,
    ],
};
pub(super) static CHAT_CALLS_PER_MINUTE: Variable = Variable::with_default(
    "CHAT_CALLS_PER_MINUTE",
    "30",
    "Calls of /chat that one address (IPv6: one /64) may make in a minute, 1 to 100000; more are answered 429.",
);
pub(super) static CHAT_TURNS_AT_A_TIME: Variable = Variable::with_default(
    "CHAT_TURNS_AT_A_TIME",
    "64",
    "Turns of the chat that may be under way at a time, 1 to 10000; more are answered 503.",
);
pub(super) static CHAT_TURNS_PER_ADDRESS: Variable = Variable::with_default(
    "CHAT_TURNS_PER_ADDRESS",
    "4",
    "The same of one address, 1 to 10000; more are answered 429.",
);
pub(super) static TRUSTED_PROXIES: Variable = Variable::with_default(
    "TRUSTED_PROXIES",
    "0",
    "Proxies in front of this service that add to X-Forwarded-For; the address that the outermost saw is \
     the caller's.",
);
pub(super) static BIND: Variable = Variable::with_default(
    "BIND",
    "127.0.0.1",
    "The address to listen on; 0.0.0.0 for all.",
);
pub(super) static PORT: Variable = Variable::with_default("PORT", "8000", "The port to listen on.");
pub(super) static ALLOWED_ORIGINS: Variable = Variable::with_default(
    "ALLOWED_ORIGINS",
    "http://localhost:3000,http://127.0.0.1:3000",
    "Browser pages that may talk to the agent, separated by commas: scheme, host and port; never * for all.",
)
.example("https://infra402.example.org");
