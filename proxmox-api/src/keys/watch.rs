//! The end of a key while something that it opened is still open.

use std::time::Duration;

use crate::{ids::KeyId, state::App, store::StoreError};

/// How often a key is looked at whose end another replica may know.
const LOOK: Duration = Duration::from_secs(15);

/// What replicas tell each other of a changed key: this, and its id.
pub const MESSAGE: &str = "key ";

/// Whether a key is good now.
///
/// # Errors
/// The store failed.
pub async fn is_good(app: &App, key_id: &KeyId) -> Result<bool, StoreError> {
    let key = app.store.key_by_id(key_id).await?;
    Ok(key.is_some_and(|key| super::check_good(&key, app.now()).is_ok()))
}

/// Completes when a key is not good any more: revoked, switched off or expired. Never, without a
/// key.
pub async fn ended(app: &App, key_id: Option<&KeyId>) {
    let Some(key_id) = key_id else {
        return std::future::pending().await;
    };
    let mut ends = app.key_ends.listen();
    loop {
        tokio::select! {
            () = ends.of(key_id) => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        match is_good(app, key_id).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "the key of an open connection cannot be looked up");
            }
        }
    }
}

/// Says here and at other replicas that a key has changed, so that what it opened is closed.
pub async fn announce_end(app: &App, key_id: &KeyId) {
    app.key_ends.announce(key_id);
    if let Some(locks) = &app.advisory_locks {
        locks.notify(&format!("{MESSAGE}{key_id}")).await;
    }
}
