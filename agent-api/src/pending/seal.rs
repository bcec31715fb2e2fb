//! Seals suspended calls with ChaCha20-Poly1305. Each message has its own key, derived by
//! HMAC-SHA-256 from the service's secret and 32 random bytes. So no nonce is ever used twice with
//! one key, however many replicas share the secret.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde_json::Error as JsonError;
use service::crypto;

use super::{Pending, PendingError};

/// The maximum length of a sealed call that is opened.
pub const MAX_SEALED: usize = 384 * 1024;
const SALT: usize = 32;
/// The associated data of the cipher. It separates this use of the secret from its other uses.
const PURPOSE: &[u8] = b"infra402 agent pending 1";

/// Seals and opens suspended calls.
#[derive(Clone)]
pub struct Sealer {
    secret: Vec<u8>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(***)")
    }
}

impl Sealer {
    /// Uses the secret that all replicas share.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self {
            secret: secret.into(),
        }
    }

    /// Seals a suspended call as text for the customer's client.
    ///
    /// # Errors
    /// The call cannot be written as JSON.
    pub fn seal(&self, pending: &Pending) -> Result<String, JsonError> {
        let salt = crypto::random_bytes::<SALT>();
        let mut message = serde_json::to_vec(pending)?;
        self.key(&salt)
            .seal_in_place_append_tag(only_nonce(), Aad::from(PURPOSE), &mut message)
            .expect("a message is far below the cipher's limit of 256 GiB");
        let mut sealed = salt.to_vec();
        sealed.append(&mut message);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens a sealed call. `now` is in Unix seconds.
    ///
    /// # Errors
    /// The call was not sealed with this secret, was altered, or has expired.
    pub fn open(&self, sealed: &str, now: u64) -> Result<Pending, PendingError> {
        let pending = self.open_at_any_age(sealed)?;
        match pending.expires_at <= now {
            true => Err(PendingError::Expired),
            false => Ok(pending),
        }
    }

    /// Opens a sealed call without a check of its expiry.
    ///
    /// # Errors
    /// The call was not sealed with this secret, or was altered.
    pub fn open_at_any_age(&self, sealed: &str) -> Result<Pending, PendingError> {
        if sealed.len() > MAX_SEALED {
            return Err(PendingError::NotOurs);
        }
        let mut bytes = URL_SAFE_NO_PAD
            .decode(sealed)
            .map_err(|_| PendingError::NotOurs)?;
        let (salt, message) = bytes
            .split_at_mut_checked(SALT)
            .ok_or(PendingError::NotOurs)?;
        let opened = self
            .key(salt)
            .open_in_place(only_nonce(), Aad::from(PURPOSE), message)
            .map_err(|_| PendingError::NotOurs)?;
        serde_json::from_slice(opened).map_err(|_| PendingError::NotOurs)
    }

    /// A tag of a text under this secret, for another purpose of the service.
    pub fn tag(&self, purpose: &str, of: &str) -> String {
        crypto::hex(&crypto::hmac_sign(
            &self.secret,
            format!("{purpose}\n{of}").as_bytes(),
        ))
    }

    fn key(&self, salt: &[u8]) -> LessSafeKey {
        let key = crypto::hmac_sign(&self.secret, &[PURPOSE, salt].concat());
        let key =
            UnboundKey::new(&CHACHA20_POLY1305, &key).expect("the cipher's keys have 32 bytes");
        LessSafeKey::new(key)
    }
}

/// A constant nonce is safe, because each key seals one message.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conversation::Message, pending::CustomerAction, tools::CallPlan, turn::Turn};

    fn pending() -> Pending {
        Pending {
            id: Pending::new_id(),
            expires_at: 1000,
            wallet: None,
            plan: CallPlan {
                tool: "destroy_lease".into(),
                method: "DELETE".into(),
                path: "/lease/100".into(),
                body: None,
                body_is_content: false,
                range: None,
                more_seconds: 0,
                must_be_confirmed: false,
                title: String::new(),
                summary: String::new(),
                takes_credential: false,
                free_path: None,
                command: None,
                kind: None,
                ctid: Some(100),
                lease: None,
                lease_in_path: false,
            },
            wanted: CustomerAction::Confirmation,
            turn: Turn::new(
                "turn_1",
                vec![Message::User {
                    text: "destroy it".into(),
                }],
            ),
        }
    }

    #[test]
    fn a_sealed_call_is_opened_with_the_same_secret() {
        let (one, other) = (Sealer::new("secret"), Sealer::new("secret"));
        let pending = pending();
        let sealed = one.seal(&pending).unwrap();
        assert_eq!(other.open(&sealed, 999), Ok(pending.clone()));
        assert_eq!(other.open(&sealed, 1000), Err(PendingError::Expired));
        let stranger = Sealer::new("another");
        assert_eq!(stranger.open(&sealed, 0), Err(PendingError::NotOurs));
        assert_ne!(
            one.seal(&pending).unwrap(),
            sealed,
            "equal calls do not look equal"
        );
    }

    #[test]
    fn a_change_of_any_byte_is_detected() {
        let sealer = Sealer::new("secret");
        let sealed = sealer.seal(&pending()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            let altered = URL_SAFE_NO_PAD.encode(altered);
            assert_eq!(
                sealer.open(&altered, 0),
                Err(PendingError::NotOurs),
                "{position}"
            );
        }
        for nonsense in ["", "AAAA", "%%%", &sealed[..sealed.len() / 2]] {
            assert_eq!(sealer.open(nonsense, 0), Err(PendingError::NotOurs));
        }
    }

    #[test]
    fn the_sealed_text_shows_nothing_of_its_content() {
        let sealer = Sealer::new("secret");
        let sealed = sealer.seal(&pending()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(sealed).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("destroy"));
        assert_eq!(format!("{sealer:?}"), "Sealer(***)");
    }
}
