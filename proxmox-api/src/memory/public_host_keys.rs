//! The public SSH host keys of containers, which are read in the container. The store has their
//! fingerprints, by which a container is known: keys are good as long as those are the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::LeaseId;

/// The public host keys that were read.
#[derive(Default)]
pub struct PublicHostKeys(Mutex<HashMap<LeaseId, ReadKeys>>);

struct ReadKeys {
    fingerprints: String,
    lines: Arc<[String]>,
}

impl PublicHostKeys {
    /// The keys of a lease's container with these fingerprints, one OpenSSH line each.
    pub fn of(&self, id: &LeaseId, fingerprints: &str) -> Option<Arc<[String]>> {
        let known = self.lock();
        let read = known
            .get(id)
            .filter(|read| read.fingerprints == fingerprints)?;
        Some(read.lines.clone())
    }

    /// Keeps the keys that were read.
    pub fn keep(&self, id: &LeaseId, fingerprints: &str, lines: Arc<[String]>) {
        let fingerprints = fingerprints.to_owned();
        let read = ReadKeys {
            fingerprints,
            lines,
        };
        self.lock().insert(id.clone(), read);
    }

    /// Forgets the keys of a lease that is over.
    pub fn remove(&self, id: &LeaseId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, ReadKeys>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_good_for_their_fingerprints_and_until_the_lease_is_over() {
        let keys = PublicHostKeys::default();
        let id = LeaseId::from("lease-1");
        assert_eq!(keys.of(&id, "ed25519=SHA256:a"), None);
        let lines: Arc<[String]> = ["ssh-ed25519 AAAA".to_owned()].into();
        keys.keep(&id, "ed25519=SHA256:a", lines.clone());
        assert_eq!(keys.of(&id, "ed25519=SHA256:a"), Some(lines));
        assert_eq!(keys.of(&id, "ed25519=SHA256:b"), None);
        keys.remove(&id);
        assert_eq!(keys.of(&id, "ed25519=SHA256:a"), None);
    }
}
