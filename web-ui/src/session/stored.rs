//! The sessions that this browser keeps.

use std::collections::BTreeMap;

use api_types::{Secret, SessionResponse, Timestamp};
use serde::{Deserialize, Serialize};

/// Tokens by lower-case address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sessions(BTreeMap<String, Kept>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    token: Secret,
    expires_at: Timestamp,
}

/// Seconds before its end from which a token is not used any more.
const MARGIN: u64 = 30;

impl Sessions {
    /// Reads what is stored; what cannot be read is nothing.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As it is stored.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("a map of texts is JSON")
    }

    /// The token of an address, if it is still good.
    pub fn token(&self, address: &str, now: u64) -> Option<Secret> {
        let kept = self.0.get(&address.to_ascii_lowercase())?;
        (kept.expires_at.0 > now + MARGIN).then(|| kept.token.clone())
    }

    /// Keeps a new one, and drops those that have ended.
    pub fn keep(&mut self, session: SessionResponse, now: u64) {
        self.0.retain(|_, kept| kept.expires_at.0 > now);
        self.0.insert(
            session.wallet.to_ascii_lowercase(),
            Kept {
                token: session.token,
                expires_at: session.expires_at,
            },
        );
    }

    /// Drops the one of an address.
    pub fn forget(&mut self, address: &str) {
        self.0.remove(&address.to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(wallet: &str, expires_at: u64) -> SessionResponse {
        SessionResponse {
            token: Secret::new("t0ken"),
            token_type: "Bearer".into(),
            wallet: wallet.into(),
            expires_at: Timestamp(expires_at),
        }
    }

    #[test]
    fn a_token_is_its_wallets_until_it_ends() {
        let mut sessions = Sessions::default();
        sessions.keep(session("0xAB", 1000), 0);
        assert!(sessions.token("0xab", 900).is_some());
        assert!(
            sessions.token("0xab", 980).is_none(),
            "too close to its end"
        );
        assert!(sessions.token("0xcd", 900).is_none(), "another wallet");
        assert_eq!(Sessions::read(&sessions.write()), sessions);
        sessions.keep(session("0xcd", 5000), 2000);
        assert_eq!(sessions.0.len(), 1, "what has ended is dropped");
        sessions.forget("0xCD");
        assert_eq!(sessions, Sessions::read("nonsense"));
    }
}
