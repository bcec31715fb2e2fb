//! Where the replicas of the installation reach each other: each announces itself in the store.

use crate::{state::App, store::StoreError};

/// Seconds between two announcements.
const ANNOUNCE_EVERY: u64 = 10;
/// Seconds for which an announcement is believed.
const BELIEVED: i64 = 30;

/// Where another replica is reached, if it lives and has said so.
///
/// # Errors
/// The store failed.
pub async fn address_of(app: &App, id: &str) -> Result<Option<String>, StoreError> {
    app.store.replica_address(id, app.now() - BELIEVED).await
}

/// Announces this replica, unless it has no address.
///
/// # Errors
/// The store failed.
pub async fn announce(app: &App) -> Result<(), StoreError> {
    match &app.config.replica_address {
        Some(address) => {
            let id = &app.replica.id;
            app.store
                .announce_replica(id, address.as_str(), app.now())
                .await
        }
        None => Ok(()),
    }
}

/// Announces this replica again and again, until the process ends.
pub async fn run(app: App) {
    loop {
        let next = app.clock.unix_millis() + ANNOUNCE_EVERY * 1000;
        app.clock.sleep_until(next).await;
        if let Err(error) = announce(&app).await {
            tracing::warn!(%error, "this replica cannot announce itself to the others");
        }
    }
}

/// Takes the announcement back, because the process ends.
pub async fn withdraw(app: &App) {
    if app.config.replica_address.is_some()
        && let Err(error) = app.store.withdraw_replica(&app.replica.id).await
    {
        tracing::warn!(%error, "this replica cannot take its announcement back");
    }
}
