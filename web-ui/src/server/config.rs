//! The server's settings, read once at the start. All errors are reported together.

use std::{net::SocketAddr, path::PathBuf};

use service::env::{Env, Problems, schema::Variable};
use url::Url;
use web_ui::config::Settings;
use x402::network::Network;

use super::variables;

/// The configuration of the server.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where to listen: `BIND` and `PORT`.
    pub(crate) listen: SocketAddr,
    /// The bundle: `WEB_DIST`.
    pub(crate) dist: PathBuf,
    /// The settings of the application: `CHAT_API_BASE`, `LEASE_API_BASE`, `DEFAULT_NETWORK`,
    /// `WEB_RPC_URL`.
    pub(crate) settings: Settings,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// All problems, each with the variable's name and an example.
    pub(crate) fn from_env(env: Env) -> Result<Self, Problems> {
        let mut env = env.for_schema(&variables::SCHEMA);
        let bind = env.read(&variables::BIND);
        let port = env.read(&variables::PORT);
        let dist = PathBuf::from(env.read_text(&variables::WEB_DIST));
        let settings = Settings {
            chat_api_base: base(&mut env, &variables::CHAT_API_BASE),
            lease_api_base: base(&mut env, &variables::LEASE_API_BASE),
            default_network: network(&mut env),
            rpc_url: env
                .find_text(&variables::WEB_RPC_URL)
                .map(|_| base(&mut env, &variables::WEB_RPC_URL)),
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
fn base(env: &mut Env, variable: &Variable) -> String {
    let text = env.read_text(variable);
    let fits = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    if !fits {
        let what = "is no address that begins with http:// or https://, or has a user name in it";
        env.reject(variable, what);
    }
    text.trim_end_matches('/').to_owned()
}

fn network(env: &mut Env) -> String {
    let name = env.read_text(&variables::DEFAULT_NETWORK);
    if Network::by_name(&name).is_none() {
        env.reject(&variables::DEFAULT_NETWORK, "is no network that is known");
    }
    name
}
