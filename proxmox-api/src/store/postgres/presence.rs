//! The lock that keeps services and copies apart: each service's session for locks holds it shared,
//! and a copy takes it exclusively. On SQLite the lock file does the same.

use std::time::Duration;

use tokio_postgres::Client;

use super::{ServerError, Session};
use crate::store::StoreError;

/// The lock's number.
pub(super) const PRESENCE: i64 = 0x0402_0003;
/// The server releases a session's locks some time after its client has gone, so a lock that is
/// held is asked for again, for two seconds in all.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the shared lock of a service, for as long as the session lasts.
///
/// # Errors
/// The database is being copied, or the server refuses.
pub(super) async fn join(client: &Client) -> Result<(), ServerError> {
    match lock(client, "pg_try_advisory_lock_shared").await? {
        true => Ok(()),
        false => Err(ServerError::BeingCopied),
    }
}

/// Takes the exclusive lock of a copy, for as long as the session lasts.
///
/// # Errors
/// Services work on the database, or another copy, or the server refuses.
pub(in crate::store) async fn take_alone(client: &Client) -> Result<(), ServerError> {
    for _ in 0..TRIES {
        if lock(client, "pg_try_advisory_lock").await? {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(ServerError::InUse)
}

async fn lock(client: &Client, function: &str) -> Result<bool, ServerError> {
    let sql = format!("SELECT {function}({PRESENCE})");
    let row = client.query_one(&sql, &[]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| ServerError::of(&error))
}

/// Checks that no copy holds the lock.
pub(super) fn check_no_copy(session: &Session) -> Result<(), StoreError> {
    // The lock lasts as long as this one statement.
    let sql = format!("SELECT 1 WHERE pg_try_advisory_xact_lock_shared({PRESENCE})");
    for _ in 0..TRIES {
        if !session.query(&sql, &[])?.is_empty() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(ServerError::BeingCopied.into())
}
