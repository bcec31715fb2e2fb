//! Announces API keys that were changed to those who have something open by them.

use tokio::sync::broadcast::{self, error::RecvError};

use crate::ids::KeyId;

/// Announcements that a listener may be behind.
const BEHIND: usize = 64;

/// Announces keys that were changed; clones share the listeners.
#[derive(Debug, Clone)]
pub struct KeyEnds(broadcast::Sender<KeyId>);

impl Default for KeyEnds {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND).0)
    }
}

/// Hears announcements from now on.
#[derive(Debug)]
pub struct KeyEndListener(broadcast::Receiver<KeyId>);

impl KeyEnds {
    /// Says that a key was changed.
    pub fn announce(&self, key_id: &KeyId) {
        // An error means that nothing is open.
        let _ = self.0.send(key_id.clone());
    }

    /// Listens from now on.
    pub fn listen(&self) -> KeyEndListener {
        KeyEndListener(self.0.subscribe())
    }
}

impl KeyEndListener {
    /// Completes when this key was changed, or may have been.
    pub async fn of(&mut self, key_id: &KeyId) {
        loop {
            match self.0.recv().await {
                Ok(changed) if changed == *key_id => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
