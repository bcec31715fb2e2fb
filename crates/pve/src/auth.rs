//! Puts the account on every request: a token as a header, or a password's ticket as a cookie that is renewed before
//! it runs out. No cookie jar is kept, because Proxmox prefers a cookie over a token.

use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use secret::Secret;
use tokio::sync::Mutex;

use crate::config::{Auth, ConfigError};

const CSRF_HEADER: HeaderName = HeaderName::from_static("csrfpreventiontoken");

/// Tickets live for two hours.
const RENEW_AFTER: Duration = Duration::from_secs(110 * 60);

/// What the requests of one account carry.
pub(crate) enum Credentials {
    Token(HeaderValue),
    Password {
        user: String,
        password: Secret,
        ticket: Mutex<Option<Ticket>>,
    },
}

/// A ticket in use.
#[derive(Clone)]
pub(crate) struct Ticket {
    /// Counts the logins, so that of many calls that meet an expired ticket one logs in again.
    pub(crate) generation: u64,
    pub(crate) ticket: Secret,
    pub(crate) csrf: Secret,
    pub(crate) obtained: Instant,
}

impl Ticket {
    pub(crate) fn is_fresh(&self) -> bool {
        self.obtained.elapsed() < RENEW_AFTER
    }

    pub(crate) fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            sensitive(&format!("PVEAuthCookie={}", self.ticket.expose()))?,
        );
        headers.insert(CSRF_HEADER, sensitive(self.csrf.expose())?);
        Some(headers)
    }
}

impl Credentials {
    pub(crate) fn new(auth: &Auth) -> Result<Self, ConfigError> {
        match auth {
            Auth::Token { id, secret } => {
                let account = id
                    .split_once('!')
                    .is_some_and(|(user, name)| is_user(user) && !name.is_empty());
                if !account || id.contains(char::is_whitespace) || id.contains('=') {
                    return Err(ConfigError::Account(
                        id.clone(),
                        "a token id looks like user@pve!name",
                    ));
                }
                let value = sensitive(&format!("PVEAPIToken={id}={}", secret.expose()));
                match value {
                    Some(value) if !secret.expose().is_empty() => Ok(Self::Token(value)),
                    _ => Err(ConfigError::Secret(id.clone())),
                }
            }
            Auth::Password { user, password } => {
                if !is_user(user) {
                    return Err(ConfigError::Account(
                        user.clone(),
                        "a user looks like name@pve",
                    ));
                }
                if password.expose().is_empty() {
                    return Err(ConfigError::Secret(user.clone()));
                }
                Ok(Self::Password {
                    user: user.clone(),
                    password: password.clone(),
                    ticket: Mutex::new(None),
                })
            }
        }
    }
}

/// The header of a token.
pub(crate) fn token_headers(value: &HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, value.clone())])
}

fn is_user(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, realm)| {
        !name.is_empty()
            && !realm.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_account_is_refused_and_its_secret_not_told() {
        for (id, secret) in [
            ("lease@pve", "hush"),
            ("lease!svc", "hush"),
            ("lease@pve!", "hush"),
            ("lease@pve!svc=hush", "x"),
            ("lease@pve!svc", ""),
            ("lease@pve!svc", "hu\nsh"),
        ] {
            let error = Credentials::new(&Auth::token(id, secret)).err().unwrap();
            assert!(!error.to_string().contains("hu\nsh"), "{error}");
        }
        assert!(Credentials::new(&Auth::password("root", "x")).is_err());
        assert!(Credentials::new(&Auth::password("root@pam", "")).is_err());
        assert!(Credentials::new(&Auth::token("lease@pve!svc", "uuid")).is_ok());
    }

    #[test]
    fn no_secret_is_printed() {
        let auth = [
            Auth::token("a@pve!b", "hush"),
            Auth::password("a@pve", "hush"),
        ];
        assert!(!format!("{auth:?}").contains("hush"));
    }
}
