//! The names under which containers are known to visitors and SSH clients. A name stays with its
//! lease for good, so that no other lease gets it; the operator can take it down.

use super::{
    Store, StoreError,
    change_lock::ChangeLock,
    leases::{COLUMNS, Lease, read_lease},
    sql::{Row, owned_values},
    values,
};
use crate::ids::LeaseId;

/// The name of a lease's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestName {
    /// The lease.
    pub lease_id: LeaseId,
    /// The name, a part of a DNS label.
    pub name: String,
    /// Why the operator took it down; `None` while it is up.
    pub taken_down: Option<String>,
}

const NAME: &str = "SELECT lease_id, name, taken_down_at, reason FROM guest_names";

fn read_name(row: &Row<'_>) -> Result<GuestName, StoreError> {
    let down: Option<i64> = row.get("taken_down_at")?;
    let reason: Option<String> = row.get("reason")?;
    Ok(GuestName {
        lease_id: row.get("lease_id")?,
        name: row.get("name")?,
        taken_down: down.map(|_| reason.unwrap_or_default()),
    })
}

impl Store {
    /// The name of a lease's container, which becomes `fresh` if it has none yet.
    ///
    /// # Errors
    /// The lease does not exist, another one has the fresh name, or the database failed.
    pub async fn guest_name_or(
        &self,
        id: &LeaseId,
        fresh: &str,
        now: i64,
    ) -> Result<GuestName, StoreError> {
        let (id, fresh) = (id.clone(), fresh.to_owned());
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            db.execute(
                "INSERT INTO guest_names (lease_id, name, made_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (lease_id) DO NOTHING",
                values![id, fresh, now],
            )?;
            let sql = format!("{NAME} WHERE lease_id = ?1");
            db.one(&sql, values![id], read_name)
        })
        .await
    }

    /// The name of a lease's container, if it has one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn guest_name(&self, id: &LeaseId) -> Result<Option<GuestName>, StoreError> {
        let sql = format!("{NAME} WHERE lease_id = ?1");
        let found = self.query(sql, owned_values![id], read_name).await?;
        Ok(found.into_iter().next())
    }

    /// The lease whose container has this name, taken down or not, also of a lease that is over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn owner_of_guest_name(&self, name: &str) -> Result<Option<GuestName>, StoreError> {
        let sql = format!("{NAME} WHERE name = ?1");
        let found = self.query(sql, owned_values![name], read_name).await?;
        Ok(found.into_iter().next())
    }

    /// The lease behind a name that is up, unless its container is gone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lease_by_guest_name(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM leases WHERE state <> 'destroyed' AND lease_id =
                 (SELECT lease_id FROM guest_names WHERE name = ?1 AND taken_down_at IS NULL)"
        );
        let found = self.query(sql, owned_values![name], read_lease).await?;
        Ok(found.into_iter().next())
    }

    /// Takes a name down for a reason. False if there is no such name, or it is down already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_name_down(
        &self,
        name: &str,
        reason: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (name, reason) = (name.to_owned(), reason.to_owned());
        self.write(ChangeLock::None, move |db| {
            let changed = db.execute(
                "UPDATE guest_names SET taken_down_at = ?2, reason = ?3
                 WHERE name = ?1 AND taken_down_at IS NULL",
                values![name, now, reason],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    /// Puts a name up again. False if there is no such name, or it is up.
    ///
    /// # Errors
    /// The database failed.
    pub async fn put_name_up(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(ChangeLock::None, move |db| {
            let changed = db.execute(
                "UPDATE guest_names SET taken_down_at = NULL, reason = NULL
                 WHERE name = ?1 AND taken_down_at IS NOT NULL",
                values![name],
            )?;
            Ok(changed == 1)
        })
        .await
    }
}
