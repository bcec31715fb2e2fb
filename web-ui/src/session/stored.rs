//! The sessions that this browser stores.

use std::collections::BTreeMap;

use api_types::{Secret, SessionResponse, Timestamp};
use serde::{Deserialize, Serialize};

/// Tokens by lower-case address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredSessions(BTreeMap<String, StoredSession>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredSession {
    #[serde(serialize_with = "api_types::secret::serialize_exposed")]
    token: Secret,
    expires_at: Timestamp,
}

/// So many seconds before its expiry a token is no longer used.
const EXPIRY_MARGIN: u64 = 30;

impl StoredSessions {
    /// Reads the stored text. A text that cannot be read counts as no sessions.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The text to be stored.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("a map of texts is JSON")
    }

    /// The token of an address, if it is still valid.
    pub fn token(&self, address: &str, now: u64) -> Option<Secret> {
        let stored = self.0.get(&address.to_ascii_lowercase())?;
        (stored.expires_at.0 > now + EXPIRY_MARGIN).then(|| stored.token.clone())
    }

    /// Adds a session, and removes those that have expired.
    pub fn insert(&mut self, session: SessionResponse, now: u64) {
        self.0.retain(|_, stored| stored.expires_at.0 > now);
        self.0.insert(
            session.wallet.to_ascii_lowercase(),
            StoredSession {
                token: session.token,
                expires_at: session.expires_at,
            },
        );
    }

    /// Removes the session of an address.
    pub fn remove(&mut self, address: &str) {
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
    fn a_token_is_valid_for_its_wallet_until_it_expires() {
        let mut sessions = StoredSessions::default();
        sessions.insert(session("0xAB", 1000), 0);
        assert!(sessions.token("0xab", 900).is_some());
        assert!(
            sessions.token("0xab", 980).is_none(),
            "too close to its expiry"
        );
        assert!(sessions.token("0xcd", 900).is_none(), "another wallet");
        assert_eq!(StoredSessions::read(&sessions.write()), sessions);
        sessions.insert(session("0xcd", 5000), 2000);
        assert_eq!(sessions.0.len(), 1, "expired sessions are removed");
        sessions.remove("0xCD");
        assert_eq!(sessions, StoredSessions::read("nonsense"));
    }
}
