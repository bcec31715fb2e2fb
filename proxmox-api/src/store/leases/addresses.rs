//! Which address of ours a lease gets, and when its container's link may be put on the bridge.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use super::{
    super::{Db, Store, StoreError, values},
    record::{AddressPool, COLUMNS, Lease, read_lease},
};

/// Seconds for which a freed address rests: what is still sent to the lease before must not reach the next one.
const REST: i64 = 3600;

/// The lowest address that no lease has or had lately; `None` where there is none. What was never on the bridge needs no rest:
/// else attempts that fail, and cost nothing, would use a small network up for an hour.
pub(super) fn free_address(
    db: Db<'_>,
    pool: &AddressPool,
    now: i64,
) -> Result<Option<Ipv4Addr>, StoreError> {
    let taken: HashSet<String> = db.all(
        "SELECT address FROM leases WHERE address IS NOT NULL AND state <> 'destroyed'
         UNION ALL SELECT address FROM leases WHERE address IS NOT NULL AND updated_at > ?1
             AND mac IS NOT NULL AND link_up_at IS NULL",
        values![now - REST],
        |row| row.get(0),
    )?;
    Ok(pool
        .addresses()
        .find(|address| !taken.contains(&address.to_string())))
}

impl Store {
    /// The container's link has to stay down until `at`, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn keep_link_down(&self, id: &str, at: i64) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let sql =
                "UPDATE leases SET link_up_at = ?2, network_ready_at = ?2 WHERE lease_id = ?1";
            db.execute(sql, values![id, at])?;
            Ok(())
        })
        .await
    }

    /// The container's link is up.
    /// # Errors
    /// The database failed.
    pub async fn link_is_up(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let sql = "UPDATE leases SET link_up_at = NULL WHERE lease_id = ?1";
            db.execute(sql, values![id])?;
            Ok(())
        })
        .await
    }

    /// Leases whose container's link may be put up now, and when the next one may, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn links_to_put_up(&self, now: i64) -> Result<(Vec<Lease>, Option<i64>), StoreError> {
        let wanted = "link_up_at IS NOT NULL AND state IN ('created', 'probed', 'active')";
        self.read(move |db| {
            let sql = format!("SELECT {COLUMNS} FROM leases WHERE {wanted} AND link_up_at <= ?1");
            let due = db.all(&sql, values![now], read_lease)?;
            let sql =
                format!("SELECT min(link_up_at) FROM leases WHERE {wanted} AND link_up_at > ?1");
            let next = db.one(&sql, values![now], |row| row.get(0))?;
            Ok((due, next))
        })
        .await
    }
}
