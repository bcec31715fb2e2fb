//! The server's settings, read once at start. Every mistake is reported at once.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use service::env::{Env, Problems};
use url::Url;
use web_ui::config::Settings;
use x402::network::Network;

/// What the process was told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where to listen: `BIND` and `PORT`.
    pub(crate) listen: SocketAddr,
    /// The bundle: `WEB_DIST`.
    pub(crate) dist: PathBuf,
    /// What the application is told: `CHAT_API_BASE`, `LEASE_API_BASE`, `DEFAULT_NETWORK`, `WEB_RPC_URL`.
    pub(crate) settings: Settings,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Every problem, with the variable's name and an example.
    pub(crate) fn from_env(mut env: Env) -> Result<Self, Problems> {
        let bind = env.parse("BIND", IpAddr::V4(Ipv4Addr::LOCALHOST), "127.0.0.1");
        let port = env.parse("PORT", 3000_u16, "3000");
        let dist = PathBuf::from(env.text("WEB_DIST", "web-ui/dist"));
        let settings = Settings {
            chat_api_base: base(&mut env, "CHAT_API_BASE", "http://localhost:8000"),
            lease_api_base: base(&mut env, "LEASE_API_BASE", "http://localhost:4021"),
            default_network: network(&mut env),
            rpc_url: env
                .optional_text("WEB_RPC_URL")
                .map(|_| base(&mut env, "WEB_RPC_URL", "https://sepolia.base.org")),
        };
        env.finish_with(|| {
            Some(Self {
                listen: SocketAddr::new(bind, port),
                dist,
                settings,
            })
        })
    }
}

/// An address that browsers reach, without a trailing slash.
fn base(env: &mut Env, name: &str, example: &str) -> String {
    let text = env.text(name, example);
    let fits = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    if !fits {
        env.problem(
            name,
            "is no address that begins with http:// or https://, or has a user name in it",
            example,
        );
    }
    text.trim_end_matches('/').to_owned()
}

fn network(env: &mut Env) -> String {
    let name = env.text("DEFAULT_NETWORK", "base-sepolia");
    if Network::by_name(&name).is_none() {
        env.problem(
            "DEFAULT_NETWORK",
            "is no network that is known",
            "base-sepolia",
        );
    }
    name
}
