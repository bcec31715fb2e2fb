//! The handle that all calls hang on: one connection pool, one account.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secret::Secret;

use crate::auth::Credentials;
use crate::cause::with_causes;
use crate::config::{Auth, ClientConfig, ConfigError, Timeouts, api_root};
use crate::pace::Pace;
use crate::tls;

/// A connection to one Proxmox VE host. Clones share the connections and the login.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) api_root: String,
    pub(crate) credentials: Credentials,
    pub(crate) account: String,
    pub(crate) timeouts: Timeouts,
    /// Cut out of every text that goes into an error.
    pub(crate) secrets: Vec<Secret>,
    /// Of each kind of task.
    pub(crate) paces: Mutex<HashMap<String, Arc<Pace>>>,
}

impl Client {
    /// Checks the configuration and makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting is wrong and how it should look.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let api_root = api_root(&config.base_url)?;
        let credentials = Credentials::new(&config.auth)?;
        let builder = reqwest::Client::builder()
            // The server speaks HTTP/1 only and closes idle connections after five seconds.
            .http1_only()
            .pool_idle_timeout(Duration::from_secs(4))
            .connect_timeout(config.timeouts.connect)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .user_agent(concat!("infra402-pve/", env!("CARGO_PKG_VERSION")));
        let http = tls::configure(builder, &config.tls)?
            .build()
            .map_err(|e| ConfigError::Tls(with_causes(&e)))?;
        let (Auth::Token { secret, .. }
        | Auth::Password {
            password: secret, ..
        }) = &config.auth;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                api_root,
                credentials,
                account: config.auth.name().to_owned(),
                timeouts: config.timeouts,
                secrets: vec![secret.clone()],
                paces: Mutex::default(),
            }),
        })
    }

    /// The account's name: a token id or a user.
    pub fn account(&self) -> &str {
        &self.inner.account
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("api_root", &self.inner.api_root)
            .field("account", &self.inner.account)
            .finish_non_exhaustive()
    }
}
