//! The ends of leases: which are due, and when the next one is. The worker asks often, so each
//! answer comes from a partial index, whose size does not grow with the leases that are over. The
//! index's condition stands in the query word for word, because SQLite proves nothing else.

use pve::NodeName;
use serde_json::json;

use super::super::{
    Store, StoreError, cells,
    change_lock::ChangeLock,
    sql::{Cell, Row},
    values,
};
use crate::ids::LeaseId;
use crate::store::lease_state::LeaseState;

/// Leases whose end is due at `?1` or was begun.
const DUE: &str = "SELECT lease_id, node, state, expires_at AS due_at FROM leases
         WHERE state = 'active' AND state <> 'destroyed' AND expires_at <= ?1
     UNION ALL SELECT lease_id, node, state, destroy_at FROM leases
         WHERE state = 'stopped' AND destroy_at <= ?1
     UNION ALL SELECT lease_id, node, state, expires_at FROM leases
         WHERE state = 'expiring' AND state <> 'destroyed'
     UNION ALL SELECT lease_id, node, state, updated_at FROM leases
         WHERE state IN ('undoing', 'destroying') AND state <> 'destroyed'
     ORDER BY due_at, lease_id";

/// The next moment after `?1` at which a lease is due, or a warning `?2` seconds before that.
const NEXT: &str = "SELECT min(next_at) AS next_at FROM (
         SELECT min(expires_at) AS next_at FROM leases
             WHERE state = 'active' AND state <> 'destroyed' AND expires_at > ?1
         UNION ALL SELECT min(destroy_at) FROM leases WHERE state = 'stopped' AND destroy_at > ?1
         UNION ALL SELECT min(expires_at) - ?2 FROM leases
             WHERE state = 'active' AND warned_at IS NULL AND expires_at > ?1 + ?2) AS moments";

/// At most `?3` leases that end after `?1` and within `?2` seconds, and whose owners were not
/// warned.
const UNWARNED: &str = "SELECT lease_id FROM leases
     WHERE state = 'active' AND warned_at IS NULL AND expires_at > ?1 AND expires_at <= ?1 + ?2
     ORDER BY expires_at LIMIT ?3";

/// A lease of which something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEnd {
    /// The lease.
    pub lease_id: LeaseId,
    /// Where its container was last seen.
    pub node: NodeName,
    /// Where it is between its claim and its end.
    pub state: LeaseState,
    /// Since when it is due, Unix seconds.
    pub due_at: i64,
}

/// A lease whose owner is warned of its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarnedLease {
    /// The lease.
    pub lease_id: LeaseId,
    /// Its end, Unix seconds.
    pub expires_at: i64,
    /// When its container is destroyed, Unix seconds.
    pub destroy_at: i64,
}

impl Store {
    /// The leases that have to be stopped or removed at `now`, and those with which that was begun;
    /// the longest overdue first. One damaged row keeps no other lease from ending in time.
    /// # Errors
    /// The database failed.
    pub async fn ends_due(&self, now: i64) -> Result<Vec<DueEnd>, StoreError> {
        self.read(move |db| {
            let due: Vec<Option<DueEnd>> = db.all(DUE, values![now], |row| {
                super::skip_damaged(row, read_due(row))
            })?;
            Ok(due.into_iter().flatten().collect())
        })
        .await
    }

    /// The next moment after `now` at which something is due, or an owner is to be warned, Unix
    /// seconds.
    /// # Errors
    /// The database failed.
    pub async fn next_end(&self, warn_seconds: i64, now: i64) -> Result<Option<i64>, StoreError> {
        self.read(move |db| db.one(NEXT, values![now, warn_seconds], |row| row.get("next_at")))
            .await
    }

    /// Notes that owners are warned of ends within `warn_seconds`, with the event of each; at most
    /// `most` of them. Each lease is returned to one caller until it is renewed.
    /// # Errors
    /// The database failed.
    pub async fn warn_of_ends(
        &self,
        warn_seconds: i64,
        now: i64,
        most: i64,
    ) -> Result<Vec<WarnedLease>, StoreError> {
        let any = self.read(move |db| db.exists(UNWARNED, values![now, warn_seconds, 1_i64]));
        if !any.await? {
            return Ok(Vec::new());
        }
        self.write(ChangeLock::None, move |db| {
            // Said of the row once more: its lease may be renewed between the look and the change.
            let sql = format!(
                "UPDATE leases SET warned_at = ?1 WHERE lease_id IN ({UNWARNED})
                   AND state = 'active' AND warned_at IS NULL AND expires_at > ?1 AND expires_at <= ?1 + ?2
                 RETURNING lease_id, expires_at, destroy_at"
            );
            let warned: Vec<WarnedLease> = db.all(&sql, values![now, warn_seconds, most], |row| {
                Ok(WarnedLease {
                    lease_id: row.get("lease_id")?,
                    expires_at: row.get("expires_at")?,
                    destroy_at: row.get("destroy_at")?,
                })
            })?;
            let told: Vec<String> = warned
                .iter()
                .map(|one| {
                    json!({ "expiresAt": one.expires_at, "destroysAt": one.destroy_at }).to_string()
                })
                .collect();
            let events: Vec<Vec<Cell<'_>>> = warned
                .iter()
                .zip(&told)
                .map(|(one, data)| {
                    cells! { "at": now, "subject": one.lease_id, "kind": "expires_soon", "data": *data }
                        .into()
                })
                .collect();
            db.insert_all("events", &events, "")?;
            Ok(warned)
        })
        .await
    }
}

fn read_due(row: &Row<'_>) -> Result<DueEnd, StoreError> {
    Ok(DueEnd {
        lease_id: row.get("lease_id")?,
        node: row.get("node")?,
        state: row.get("state")?,
        due_at: row.get("due_at")?,
    })
}

#[cfg(test)]
pub(in crate::store) const QUERIES: [(&str, usize); 3] = [(DUE, 1), (NEXT, 2), (UNWARNED, 3)];
