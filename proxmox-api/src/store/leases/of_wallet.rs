//! The leases of one wallet with their payments: the live ones, and pages of those that have ended.

use pve::Vmid;

use super::{
    super::{Store, StoreError, sql::Row, sql::owned_values, values},
    readable,
    row::{COLUMNS, Lease},
};
use crate::ids::{LeaseId, Wallet};

/// What was paid for a lease, renewals and calls included, in atomic units.
const PAID: &str = "(SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM payments
     WHERE payments.payer = leases.owner AND payments.lease_id = leases.lease_id
       AND payments.state IN ('settled', 'answered')) AS paid";

/// A lease, and what was paid for it in atomic units.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PaidLease {
    pub lease: Lease,
    pub paid: u64,
}

impl Store {
    /// The live leases of a wallet, youngest first.
    /// # Errors
    /// The database failed.
    pub async fn live_leases_of(&self, owner: &Wallet) -> Result<Vec<PaidLease>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {PAID} FROM leases WHERE owner = ?1 AND state <> 'destroyed'
             ORDER BY created_at DESC, rowid DESC"
        );
        let rows = self.query(sql, owned_values![owner], read).await?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// A wallet's leases that are over, youngest first, at most `limit`; with `before`, only those older than that lease of
    /// theirs.
    /// # Errors
    /// The database failed.
    pub async fn ended_leases_of(
        &self,
        owner: &Wallet,
        before: Option<&LeaseId>,
        limit: u32,
    ) -> Result<Vec<PaidLease>, StoreError> {
        let Some((at, number)) = self.place(owner, before).await? else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT {COLUMNS}, {PAID} FROM leases
             WHERE owner = ?1 AND created_at <= ?2 AND (created_at < ?2 OR rowid < ?3) AND state = 'destroyed'
             ORDER BY created_at DESC, rowid DESC LIMIT ?4"
        );
        let values = owned_values![owner, at, number, limit];
        let rows = self.query(sql, values, read).await?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The creation and the row of the lease that a page ends before; the latest possible ones
    /// without such a lease.
    async fn place(
        &self,
        owner: &Wallet,
        before: Option<&LeaseId>,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let Some(before) = before else {
            return Ok(Some((i64::MAX, i64::MAX)));
        };
        let sql =
            "SELECT created_at, rowid AS number FROM leases WHERE lease_id = ?1 AND owner = ?2";
        let read = |row: &Row<'_>| Ok((row.get("created_at")?, row.get("number")?));
        let found = self.query(sql, owned_values![before, owner], read).await?;
        Ok(found.first().copied())
    }

    /// What was paid for a lease, renewals and calls included, in atomic units.
    /// # Errors
    /// The database failed.
    pub async fn paid_for(&self, lease: &Lease) -> Result<u64, StoreError> {
        let id = lease.lease_id.clone();
        self.read(move |db| {
            let sql = format!("SELECT {PAID} FROM leases WHERE lease_id = ?1");
            let paid = db.optional(&sql, values![id], |row| row.get("paid"))?;
            Ok(paid.unwrap_or(0))
        })
        .await
    }

    /// The youngest lease of a wallet that had this number, over or not.
    /// # Errors
    /// The database failed.
    pub async fn last_lease_of(
        &self,
        owner: &Wallet,
        vmid: Vmid,
    ) -> Result<Option<Lease>, StoreError> {
        let owner = owner.clone();
        self.one_lease(
            "owner = ?1 AND vmid = ?2 ORDER BY created_at DESC, rowid DESC LIMIT 1",
            move |look| look(values![owner, vmid]),
        )
        .await
    }
}

fn read(row: &Row<'_>) -> Result<Option<PaidLease>, StoreError> {
    let Some(lease) = readable(row)? else {
        return Ok(None);
    };
    let paid = row.get("paid")?;
    Ok(Some(PaidLease { lease, paid }))
}
