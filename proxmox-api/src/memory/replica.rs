//! This process among the replicas of the installation: its id, which is in the tickets of its
//! consoles, and what others have sent it. `replicas` announces it to them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use service::crypto;

/// Characters of an id.
const ID_LENGTH: usize = 16;

/// This process among the replicas.
pub struct Replica {
    /// Its id, new at every start: hexadecimal digits.
    pub id: String,
    nonces: Nonces,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            id: crypto::random_hex(ID_LENGTH / 2),
            nonces: Nonces::default(),
        }
    }
}

impl Replica {
    /// Uses a nonce up, which has to be remembered until `until`, Unix seconds. False if it was used
    /// before.
    pub fn use_nonce(&self, nonce: &str, until: i64, now: i64) -> bool {
        self.nonces.use_up(nonce, until, now)
    }
}

/// Nonces that were used, and until when each has to be remembered.
#[derive(Default)]
struct Nonces(Mutex<HashMap<String, i64>>);

impl Nonces {
    fn use_up(&self, nonce: &str, until: i64, now: i64) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until >= now);
        used.insert(nonce.to_owned(), until).is_none()
    }
}

/// The id at the beginning of a text that an underscore ends.
pub fn id_before_underscore(text: &str) -> Option<&str> {
    let (id, _) = text.split_once('_')?;
    let is_id = id.len() == ID_LENGTH && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_used_once_for_as_long_as_it_counts() {
        let nonces = Nonces::default();
        assert!(nonces.use_up("a", 60, 0));
        assert!(!nonces.use_up("a", 60, 60));
        assert!(nonces.use_up("b", 70, 60));
        assert!(nonces.use_up("a", 130, 61));
    }

    #[test]
    fn an_id_is_read_back() {
        let id = Replica::default().id;
        assert_eq!(id_before_underscore(&format!("{id}_rest")), Some(&*id));
        for other in ["", "_", "abc_rest", &format!("{}_x", "z".repeat(16)), &id] {
            assert_eq!(id_before_underscore(other), None, "{other}");
        }
    }
}
