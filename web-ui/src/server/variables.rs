//! Every variable of this service.

use service::{
    env::schema::{Gone, Group, Schema, Variable},
    telemetry,
};

/// The variables of this service.
pub(super) static SCHEMA: Schema = Schema {
    service: "web-ui",
    groups: &[&APPLICATION, &SERVER, &telemetry::VARIABLES],
    gone: &[
        Gone {
            name: "VITE_CHAT_API_BASE",
            instead: "CHAT_API_BASE takes its place, and one build serves every deployment",
        },
        Gone {
            name: "VITE_DEFAULT_NETWORK",
            instead: "DEFAULT_NETWORK takes its place",
        },
        Gone {
            name: "VITE_ONCHAINKIT_API_KEY",
            instead: "wallets are found without a service of others",
        },
    ],
};

static APPLICATION: Group = Group {
    title: "What the application is told",
    variables: &[
        &CHAT_API_BASE,
        &LEASE_API_BASE,
        &DEFAULT_NETWORK,
        &WEB_RPC_URL,
    ],
};
pub(super) static CHAT_API_BASE: Variable = Variable::with_default(
    "CHAT_API_BASE",
    "http://localhost:8000",
    "The agent's address, as browsers reach it.",
);
pub(super) static LEASE_API_BASE: Variable = Variable::with_default(
    "LEASE_API_BASE",
    "http://localhost:4021",
    "The lease API's address, as browsers reach it.",
);
pub(super) static DEFAULT_NETWORK: Variable = Variable::with_default(
    "DEFAULT_NETWORK",
    "base-sepolia",
    "The network that wallets are asked to be on.",
);
pub(super) static WEB_RPC_URL: Variable = Variable::optional(
    "WEB_RPC_URL",
    "no balance is shown for wallets that do not tell it",
    "https://sepolia.base.org",
    "A node that browsers may ask for balances. It is public: no key belongs into it.",
);

static SERVER: Group = Group {
    title: "Server",
    variables: &[&BIND, &PORT, &WEB_DIST],
};
pub(super) static BIND: Variable = Variable::with_default(
    "BIND",
    "127.0.0.1",
    "The address to listen on; 0.0.0.0 for all.",
);
pub(super) static PORT: Variable = Variable::with_default("PORT", "3000", "The port to listen on.");
pub(super) static WEB_DIST: Variable = Variable::with_default(
    "WEB_DIST",
    "web-ui/dist",
    "The folder of the built application, which `cargo xtask web` makes.",
);
