//! The public keys by which customers log in to their containers, and at the jump host.

use super::{
    Store, StoreError,
    change_lock::ChangeLock,
    leases::{COLUMNS, Lease, read_lease},
    sql::{Row, owned_values},
    values,
};
use crate::ids::LeaseId;

/// A public key of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    /// `SHA256:` and base64.
    pub fingerprint: String,
    /// Type, base64 and comment.
    pub line: String,
    /// When it was added, Unix seconds.
    pub added_at: i64,
}

fn read_key(row: &Row<'_>) -> Result<SshKey, StoreError> {
    Ok(SshKey {
        fingerprint: row.get("fingerprint")?,
        line: row.get("line")?,
        added_at: row.get("added_at")?,
    })
}

impl Store {
    /// Adds a key of a lease; one that it has already gets the new line. False if the lease has as
    /// many keys as it may have.
    ///
    /// # Errors
    /// The lease does not exist, or the database failed.
    pub async fn add_ssh_key(
        &self,
        id: &LeaseId,
        key: SshKey,
        most: usize,
    ) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let others: i64 = db.one(
                "SELECT count(*) AS number FROM ssh_keys WHERE lease_id = ?1 AND fingerprint <> ?2",
                values![id, key.fingerprint],
                |row| row.get("number"),
            )?;
            if usize::try_from(others).is_ok_and(|others| others >= most) {
                return Ok(false);
            }
            db.execute(
                "INSERT INTO ssh_keys (lease_id, fingerprint, line, added_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (lease_id, fingerprint) DO UPDATE SET line = excluded.line",
                values![id, key.fingerprint, key.line, key.added_at],
            )?;
            Ok(true)
        })
        .await
    }

    /// Removes a key of a lease, or all of them; says how many there were.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_ssh_keys(
        &self,
        id: &LeaseId,
        fingerprint: Option<&str>,
    ) -> Result<usize, StoreError> {
        let (id, fingerprint) = (id.clone(), fingerprint.map(str::to_owned));
        self.write(
            ChangeLock::Lease(id.clone()),
            move |db| match &fingerprint {
                Some(fingerprint) => db.execute(
                    "DELETE FROM ssh_keys WHERE lease_id = ?1 AND fingerprint = ?2",
                    values![id, fingerprint],
                ),
                None => db.execute("DELETE FROM ssh_keys WHERE lease_id = ?1", values![id]),
            },
        )
        .await
    }

    /// The keys of a lease, the oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ssh_keys(&self, id: &LeaseId) -> Result<Vec<SshKey>, StoreError> {
        let sql = "SELECT fingerprint, line, added_at FROM ssh_keys WHERE lease_id = ?1
             ORDER BY added_at, fingerprint";
        self.query(sql, owned_values![id], read_key).await
    }

    /// The active leases that have this key, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn leases_by_ssh_key(
        &self,
        fingerprint: &str,
        most: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM leases WHERE state = 'active' AND state <> 'destroyed' AND lease_id IN
                 (SELECT lease_id FROM ssh_keys WHERE fingerprint = ?1) LIMIT ?2"
        );
        self.query(sql, owned_values![fingerprint, most], read_lease)
            .await
    }
}
