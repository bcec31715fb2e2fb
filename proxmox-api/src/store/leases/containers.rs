//! What Proxmox shows of containers: their location, which ones run, which have no lease, and which
//! are lost.

use std::collections::HashMap;

use pve::{NodeName, Vmid};

use super::{
    super::{Db, Store, StoreError, change_lock::ChangeLock, debts, values},
    move_lease, record_use,
};
use crate::ids::{LeaseId, Minutes, PaymentId};
use crate::store::lease_state::LeaseState;

/// The reason of the debt for the unused part of a lease.
pub const LOST: &str = "container_lost";

/// What is known of a container that was just made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MadeContainer {
    /// The hardware address of its interface; `None` without a network.
    pub mac: Option<String>,
    /// Whether the service's SSH key was laid into it.
    pub has_ssh_key: bool,
    /// The fingerprints of its SSH host keys, where the host printed them.
    pub host_keys: Option<String>,
}

/// A payment for a lease: amount in atomic units, and the minutes that it bought.
struct Purchase {
    payment_id: PaymentId,
    amount: u64,
    minutes: Minutes,
}

impl Store {
    /// The container of a lease that is `create_sent` exists, as `made` says. False: the lease is elsewhere.
    /// # Errors
    /// The database failed.
    pub async fn container_made(
        &self,
        id: &LeaseId,
        made: MadeContainer,
        now: i64,
    ) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let (from, to) = (LeaseState::CreateSent, LeaseState::Created);
            if !move_lease(db, &id, from, to, now)? {
                return Ok(false);
            }
            let sql =
                "UPDATE leases SET mac = ?2, ssh_key = ?3, host_keys = ?4 WHERE lease_id = ?1";
            let MadeContainer {
                mac,
                has_ssh_key,
                host_keys,
            } = &made;
            db.execute(sql, values![id, *mac, i64::from(*has_ssh_key), *host_keys])?;
            Ok(true)
        })
        .await
    }

    /// The service's SSH key is in the lease's container by now, which has these host keys.
    /// # Errors
    /// The database failed.
    pub async fn set_ssh_access(&self, id: &LeaseId, host_keys: &str) -> Result<(), StoreError> {
        let (id, host_keys) = (id.clone(), host_keys.to_owned());
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE leases SET ssh_key = 1, host_keys = ?2 WHERE lease_id = ?1 AND state <> 'destroyed'";
            db.execute(sql, values![id, host_keys])?;
            Ok(())
        })
        .await
    }

    /// The hardware address of a lease's container; `None` for containers without a network, and
    /// for those that an earlier release made and that were not looked at since.
    /// # Errors
    /// The database failed.
    pub async fn mac_of(&self, id: &LeaseId) -> Result<Option<String>, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = "SELECT mac FROM leases WHERE lease_id = ?1";
            Ok(db
                .optional(sql, values![id], |row| row.get("mac"))?
                .flatten())
        })
        .await
    }

    /// A lease's container has this hardware address by now.
    /// # Errors
    /// The database failed.
    pub async fn set_mac(&self, id: &LeaseId, mac: &str) -> Result<(), StoreError> {
        let (id, mac) = (id.clone(), mac.to_owned());
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE leases SET mac = ?2 WHERE lease_id = ?1";
            db.execute(sql, values![id, mac])?;
            Ok(())
        })
        .await
    }

    /// A lease's container was found on another node. False: the row says so already, or the lease is over.
    /// # Errors
    /// The database failed.
    pub async fn set_node(
        &self,
        id: &LeaseId,
        node: &NodeName,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (id, node) = (id.clone(), node.clone());
        self.write(ChangeLock::None, move |db| {
            // Its new node may have booted since it was last seen running; that must not start it.
            let sql = "UPDATE leases SET node = ?2, updated_at = ?3,
                     running_seen_at = CASE WHEN running_seen_at IS NULL THEN NULL ELSE ?3 END
                 WHERE lease_id = ?1 AND node <> ?2 AND state <> 'destroyed'";
            Ok(db.execute(sql, values![id, node, now])? == 1)
        })
        .await
    }

    /// When the container of each active lease was last seen running, Unix seconds, by lease id.
    /// # Errors
    /// The database failed.
    pub async fn running_seen(&self) -> Result<HashMap<LeaseId, i64>, StoreError> {
        self.read(|db| {
            let sql = "SELECT lease_id, running_seen_at FROM leases
                 WHERE state = 'active' AND state <> 'destroyed' AND running_seen_at IS NOT NULL";
            db.all(sql, &[], |row| {
                Ok((row.get("lease_id")?, row.get("running_seen_at")?))
            })
        })
        .await
    }

    /// Stores that the container of a lease is gone from the host; answers since when that is known,
    /// Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn record_gone(&self, id: &LeaseId, now: i64) -> Result<i64, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let sql = "UPDATE leases SET missing_since = ?2
                 WHERE lease_id = ?1 AND missing_since IS NULL";
            db.execute(sql, values![id, now])?;
            let sql = "SELECT missing_since FROM leases WHERE lease_id = ?1";
            let since = db.optional(sql, values![id], |row| {
                row.get::<Option<i64>>("missing_since")
            })?;
            Ok(since.flatten().unwrap_or(now))
        })
        .await
    }

    /// The container of a lease was found again.
    /// # Errors
    /// The database failed.
    pub async fn record_found(&self, id: &LeaseId) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE leases SET missing_since = NULL
                 WHERE lease_id = ?1 AND missing_since IS NOT NULL";
            db.execute(sql, values![id]).map(drop)
        })
        .await
    }

    /// Ends a paid lease whose container is gone since `since`; what was paid for the time after that is owed, payment by
    /// payment, the latest first, unless its owner has ended the lease. The debts, in atomic units; `None`: the lease is over,
    /// or not paid.
    /// # Errors
    /// The database failed.
    pub async fn end_lost_lease(
        &self,
        id: &LeaseId,
        since: i64,
        now: i64,
    ) -> Result<Option<Vec<(PaymentId, u64)>>, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let sql = "SELECT CASE WHEN state = 'destroying' THEN ?2 ELSE expires_at END AS end_at
                 FROM leases
                 WHERE lease_id = ?1 AND state IN ('active', 'expiring', 'stopped', 'destroying')";
            let end = db.optional(sql, values![id, since], |row| row.get::<Option<i64>>("end_at"))?;
            let Some(Some(end)) = end else { return Ok(None) };
            let purchases = purchases(db, &id)?;
            let mut owed = Vec::new();
            for (payment_id, amount) in unused(&purchases, end - since.min(now)) {
                if debts::owe_if_none(db, &payment_id, LOST, amount, now)? {
                    owed.push((payment_id, amount));
                }
            }
            let sql = "UPDATE leases SET state = 'destroyed', updated_at = ?2, client = NULL WHERE lease_id = ?1";
            db.execute(sql, values![id, now])?;
            record_use(db, &id)?;
            Ok(Some(owed))
        })
        .await
    }

    /// A container with our marker that no lease has: since when it is known, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn orphan_since(
        &self,
        vmid: Vmid,
        lease_id: &LeaseId,
        now: i64,
    ) -> Result<i64, StoreError> {
        let lease_id = lease_id.clone();
        self.write(ChangeLock::Named("orphans"), move |db| {
            // Another container with the same number starts a new time.
            db.execute(
                "INSERT INTO orphans (vmid, lease_id, seen_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (vmid) DO UPDATE SET lease_id = excluded.lease_id, seen_at = excluded.seen_at
                 WHERE orphans.lease_id <> excluded.lease_id",
                values![vmid, lease_id, now],
            )?;
            let sql = "SELECT seen_at FROM orphans WHERE vmid = ?1";
            db.one(sql, values![vmid], |row| row.get("seen_at"))
        })
        .await
    }
}

/// What was paid for a lease, the latest first: each renewal ends later than what was bought before
/// it, while the clocks of replicas may differ about when it was made. Money that did not move
/// bought nothing.
fn purchases(db: Db<'_>, id: &LeaseId) -> Result<Vec<Purchase>, StoreError> {
    db.all(
        "SELECT payments.payment_id, payments.amount, renewals.minutes, 1 AS renewed, renewals.expires_at
             FROM renewals JOIN payments USING (payment_id)
             WHERE renewals.lease_id = ?1 AND payments.state IN ('settled', 'answered')
         UNION ALL
         SELECT payments.payment_id, payments.amount, leases.minutes, 0, leases.created_at
             FROM leases JOIN payments USING (payment_id)
             WHERE leases.lease_id = ?1 AND payments.state IN ('settled', 'answered')
         ORDER BY 4 DESC, 5 DESC",
        values![id],
        |row| {
            Ok(Purchase {
                payment_id: row.get("payment_id")?,
                amount: row.get("amount")?,
                minutes: row.get("minutes")?,
            })
        },
    )
}

/// How much of each purchase is for the last `seconds` of a lease, rounded up.
fn unused(purchases: &[Purchase], seconds: i64) -> Vec<(PaymentId, u64)> {
    let mut left = u64::try_from(seconds).unwrap_or(0);
    let mut owed = Vec::new();
    for purchase in purchases {
        let bought = u64::from(purchase.minutes.0) * 60;
        let of_this = left.min(bought);
        left -= of_this;
        if of_this > 0 {
            let amount = u128::from(purchase.amount) * u128::from(of_this);
            let amount = amount.div_ceil(u128::from(bought));
            let amount = u64::try_from(amount).unwrap_or(purchase.amount);
            owed.push((purchase.payment_id.clone(), amount));
        }
    }
    owed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unused_part_comes_from_the_latest_purchases() {
        let purchase = |id: &str, amount, minutes| Purchase {
            payment_id: id.into(),
            amount,
            minutes: Minutes(minutes),
        };
        let all = [purchase("renewal", 900, 30), purchase("lease", 10_001, 60)];
        let of = |seconds| unused(&all, seconds);
        let owed = |pairs: &[(&str, u64)]| -> Vec<_> {
            pairs
                .iter()
                .map(|(id, amount)| (PaymentId::from(*id), *amount))
                .collect()
        };
        assert_eq!(of(-5), []);
        assert_eq!(of(0), []);
        assert_eq!(of(60), owed(&[("renewal", 30)]));
        assert_eq!(of(1800), owed(&[("renewal", 900)]));
        assert_eq!(
            of(1801),
            owed(&[("renewal", 900), ("lease", 3)]),
            "rounded up"
        );
        assert_eq!(of(5400), owed(&[("renewal", 900), ("lease", 10_001)]));
        assert_eq!(of(i64::MAX), owed(&[("renewal", 900), ("lease", 10_001)]));
    }
}
