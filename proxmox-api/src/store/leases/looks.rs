//! Results of the comparison with Proxmox, read and written for many leases at once; only changes
//! are written.

use std::collections::HashMap;

use pve::Vmid;

use super::super::{
    Db, Store, StoreError,
    change_lock::ChangeLock,
    sql::{ToValue, Value, batches, parameters},
    values,
};
use crate::ids::LeaseId;

/// Live leases whose container is in trouble.
const TROUBLED: &str = "SELECT lease_id, trouble FROM leases
     WHERE trouble IS NOT NULL AND state <> 'destroyed'";

/// The live leases whose container is gone.
const GONE: &str = "SELECT lease_id, missing_since FROM leases
     WHERE missing_since IS NOT NULL AND state <> 'destroyed'";

impl Store {
    /// These containers are seen running now.
    /// # Errors
    /// The database failed.
    pub async fn saw_running(&self, ids: Vec<LeaseId>, now: i64) -> Result<(), StoreError> {
        self.write(ChangeLock::None, move |db| {
            set_for_all(db, "running_seen_at", &Some(now), &ids)
        })
        .await
    }

    /// These containers are seen stopped, or are stopped because their owner wants that.
    /// # Errors
    /// The database failed.
    pub async fn saw_stopped(&self, ids: Vec<LeaseId>) -> Result<(), StoreError> {
        self.write(ChangeLock::None, move |db| {
            set_for_all(db, "running_seen_at", &None::<i64>, &ids)
        })
        .await
    }

    /// When the container of an active lease was last seen running, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn running_seen_of(&self, id: &LeaseId) -> Result<Option<i64>, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = "SELECT running_seen_at FROM leases WHERE lease_id = ?1 AND state = 'active'";
            let seen = db.optional(sql, values![id], |row| row.get("running_seen_at"))?;
            Ok(seen.flatten())
        })
        .await
    }

    /// The live leases whose container is gone, and since when, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn gone_containers(&self) -> Result<HashMap<LeaseId, i64>, StoreError> {
        self.read(|db| {
            db.all(GONE, &[], |row| {
                Ok((row.get("lease_id")?, row.get("missing_since")?))
            })
        })
        .await
    }

    /// Since when the container of a live lease is gone, Unix seconds; `None` where it is not.
    /// # Errors
    /// The database failed.
    pub async fn gone_since(&self, id: &LeaseId) -> Result<Option<i64>, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = format!("{GONE} AND lease_id = ?1");
            db.optional(&sql, values![id], |row| row.get("missing_since"))
        })
        .await
    }

    /// The troubles that the last comparison found with containers of live leases, named as
    /// `memory::alarms` does.
    ///
    /// # Errors
    /// The database failed.
    pub async fn troubles(&self) -> Result<HashMap<LeaseId, String>, StoreError> {
        self.read(|db| {
            db.all(TROUBLED, &[], |row| {
                Ok((row.get("lease_id")?, row.get("trouble")?))
            })
        })
        .await
    }

    /// Stores the troubles of leases' containers; writes nothing where none has changed.
    /// # Errors
    /// The database failed.
    pub async fn set_troubles(
        &self,
        mut found: HashMap<LeaseId, &'static str>,
    ) -> Result<(), StoreError> {
        let mut changed: HashMap<Option<&'static str>, Vec<LeaseId>> = HashMap::new();
        for (id, known) in self.troubles().await? {
            match found.remove(&id) {
                Some(word) if word == known => {}
                word => changed.entry(word).or_default().push(id),
            }
        }
        for (id, word) in found {
            changed.entry(Some(word)).or_default().push(id);
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.write(ChangeLock::None, move |db| {
            for (word, ids) in &changed {
                set_for_all(db, "trouble", word, ids)?;
            }
            Ok(())
        })
        .await
    }

    /// Containers with our marker that no lease has: the lease in the marker, and since when each
    /// is known, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn orphans(&self) -> Result<HashMap<Vmid, (LeaseId, i64)>, StoreError> {
        self.read(|db| {
            db.all("SELECT vmid, lease_id, seen_at FROM orphans", &[], |row| {
                let seen = (row.get("lease_id")?, row.get("seen_at")?);
                Ok((row.get("vmid")?, seen))
            })
        })
        .await
    }

    /// Removes orphans that do not exist any more.
    /// # Errors
    /// The database failed.
    pub async fn forget_orphans(&self, vmids: Vec<Vmid>) -> Result<(), StoreError> {
        if vmids.is_empty() {
            return Ok(());
        }
        self.write(ChangeLock::Named("orphans"), move |db| {
            for vmids in batches(&vmids) {
                let list = parameters(1, vmids.len());
                let sql = format!("DELETE FROM orphans WHERE vmid IN ({list})");
                let values: Vec<Value<'_>> = vmids.iter().map(ToValue::to_value).collect();
                db.execute(&sql, &values)?;
            }
            Ok(())
        })
        .await
    }
}

/// Sets a column of many leases to one value.
fn set_for_all(
    db: Db<'_>,
    column: &'static str,
    value: &dyn ToValue,
    ids: &[LeaseId],
) -> Result<(), StoreError> {
    for ids in batches(ids) {
        let list = parameters(2, ids.len());
        let sql = format!("UPDATE leases SET {column} = ?1 WHERE lease_id IN ({list})");
        let mut values = vec![value.to_value()];
        values.extend(ids.iter().map(ToValue::to_value));
        db.execute(&sql, &values)?;
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::store) const QUERIES: [(&str, usize); 2] = [(TROUBLED, 0), (GONE, 0)];
