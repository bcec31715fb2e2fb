//! Leases: their states, deadlines and renewals. Each change of a state is a compare-and-set.

mod addresses;
mod containers;
mod counts;
mod ends;
mod grace;
mod held;
mod looks;
mod numbers;
mod of_wallet;
mod record;
mod row;

use std::collections::HashSet;
use std::ops::RangeInclusive;

use pve::{NodeName, Vmid};

use super::{
    Db, LeaseState, Store, StoreError, brakes, cells,
    change_lock::ChangeLock,
    sql::{Row, Value},
    values,
};
use crate::ids::{LeaseId, Minutes, PaymentId, Wallet};
pub use addresses::ProbeClaim;
pub(super) use addresses::free_address;
pub use containers::{LOST, MadeContainer};
pub(super) use counts::EndedLeases;
pub use ends::{DueEnd, WarnedLease};
pub use held::{HeldContainer, HeldPower};
pub(super) use numbers::{free_vmid, record_use};
pub use of_wallet::PaidLease;
pub use record::{AddressPool, ClaimLimits, ClaimOutcome, Renewal, RenewalOutcome};
pub(super) use row::{COLUMNS, read_lease};
pub use row::{Claim, Lease};
pub(super) use row::{Given, cells_of};

/// States with unfinished work, which a restart resumes.
const UNFINISHED: &str =
    "('provisioning', 'create_sent', 'created', 'probed', 'expiring', 'undoing', 'destroying')";

// Statements about live leases contain `state <> 'destroyed'` besides their own condition: SQLite
// uses a partial index only if its condition is written out, and indexes of all leases grow with
// history.
impl Store {
    /// Moves a lease from one state to another; false if it is in another state or the move is not allowed.
    /// # Errors
    /// The database failed.
    pub async fn move_lease(
        &self,
        id: &LeaseId,
        from: LeaseState,
        to: LeaseState,
        now: i64,
    ) -> Result<bool, StoreError> {
        if !from.may_become(to) {
            return Ok(false);
        }
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            move_lease(db, &id, from, to, now)
        })
        .await
    }

    /// Gives a `provisioning` lease another VMID and node, after Proxmox made nothing for certain.
    /// `None` if no VMID is free or the lease is in another state.
    /// # Errors
    /// The database failed.
    pub async fn reassign_lease(
        &self,
        id: &LeaseId,
        node: &NodeName,
        vmids: RangeInclusive<u32>,
        busy: HashSet<Vmid>,
        now: i64,
    ) -> Result<Option<Vmid>, StoreError> {
        let (id, node) = (id.clone(), node.clone());
        self.write(ChangeLock::Claims, move |db| {
            let Some(vmid) = free_vmid(db, vmids.clone(), &busy)? else { return Ok(None) };
            record_use(db, &id)?;
            let moved = db.execute(
                "UPDATE leases SET vmid = ?2, node = ?3, updated_at = ?4 WHERE lease_id = ?1 AND state = 'provisioning'",
                values![id, vmid, node, now],
            )?;
            record_use(db, &id)?;
            Ok((moved == 1).then_some(vmid))
        })
        .await
    }

    /// Stores the container's address.
    /// # Errors
    /// The database failed.
    pub async fn set_ip(&self, id: &LeaseId, ip: &str, now: i64) -> Result<bool, StoreError> {
        let (id, ip) = (id.clone(), ip.to_owned());
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE leases SET ip = ?2, updated_at = ?3 WHERE lease_id = ?1 AND state <> 'destroyed'";
            Ok(db.execute(sql, values![id, ip, now])? == 1)
        })
        .await
    }

    /// Every lease that still holds its VMID.
    /// # Errors
    /// The database failed.
    pub async fn live_leases(&self) -> Result<Vec<Lease>, StoreError> {
        self.leases_where("state <> 'destroyed'", |look| look(&[]))
            .await
    }

    /// Extends from the later of now and the old end, once per payment.
    /// # Errors
    /// The payment does not exist, or the database failed.
    pub async fn renew(&self, renewal: Renewal, now: i64) -> Result<RenewalOutcome, StoreError> {
        self.write(ChangeLock::Lease(renewal.lease_id.clone()), move |db| {
            renew(db, &renewal, now)
        })
        .await
    }

    /// Whether a payment has extended a lease.
    /// # Errors
    /// The database failed.
    pub async fn has_renewed(&self, payment_id: &PaymentId) -> Result<bool, StoreError> {
        let id = payment_id.clone();
        self.read(move |db| db.exists("SELECT 1 FROM renewals WHERE payment_id = ?1", values![id]))
            .await
    }

    /// Leases that a start-up has to resume or undo.
    /// # Errors
    /// The database failed.
    pub async fn unfinished_leases(&self) -> Result<Vec<Lease>, StoreError> {
        let unfinished = format!("state IN {UNFINISHED} AND state <> 'destroyed'");
        self.leases_where(&unfinished, |look| look(&[])).await
    }

    /// Leases before activation whose payment was released, refused, owed or used for another lease, and that have not changed since
    /// `before`. The answer of a delivered payment is stored with the activation of its lease.
    /// # Errors
    /// The database failed.
    pub async fn abandoned_leases(&self, before: i64) -> Result<Vec<Lease>, StoreError> {
        let sql =
            "state IN ('provisioning', 'create_sent', 'created', 'probed') AND state <> 'destroyed' AND updated_at <= ?1
             AND EXISTS (SELECT 1 FROM payments WHERE payments.payment_id = leases.payment_id
                 AND (payments.state IN ('released', 'refused', 'answered')
                     OR coalesce(payments.lease_id, '') <> leases.lease_id))";
        self.leases_where(sql, move |look| look(values![before]))
            .await
    }

    /// One lease by its id.
    /// # Errors
    /// The database failed.
    pub async fn lease(&self, id: &LeaseId) -> Result<Option<Lease>, StoreError> {
        let id = id.clone();
        self.one_lease("lease_id = ?1", move |look| look(values![id]))
            .await
    }

    /// The lease that holds a VMID now.
    /// # Errors
    /// The database failed.
    pub async fn lease_by_vmid(&self, vmid: Vmid) -> Result<Option<Lease>, StoreError> {
        let live = "vmid = ?1 AND state <> 'destroyed'";
        self.one_lease(live, move |look| look(values![vmid])).await
    }

    async fn leases_where<F>(&self, condition: &str, run: F) -> Result<Vec<Lease>, StoreError>
    where
        F: FnOnce(&dyn Fn(&[Value<'_>]) -> Found) -> Found + Send + 'static,
    {
        let sql =
            format!("SELECT {COLUMNS} FROM leases WHERE {condition} ORDER BY created_at, rowid");
        self.read(move |db| {
            run(&|values| {
                let rows: Vec<Option<Lease>> = db.all(&sql, values, readable)?;
                Ok(rows.into_iter().flatten().collect())
            })
        })
        .await
    }

    /// The one lease that a condition names. A row that cannot be read is an error here.
    async fn one_lease<F>(&self, condition: &str, run: F) -> Result<Option<Lease>, StoreError>
    where
        F: FnOnce(&dyn Fn(&[Value<'_>]) -> FoundOne) -> FoundOne + Send + 'static,
    {
        let sql = format!("SELECT {COLUMNS} FROM leases WHERE {condition}");
        self.read(move |db| run(&|values| db.optional(&sql, values, read_lease)))
            .await
    }
}

type Found = Result<Vec<Lease>, StoreError>;
type FoundOne = Result<Option<Lease>, StoreError>;

/// A lease of a list.
fn readable(row: &Row<'_>) -> FoundOne {
    skip_damaged(row, read_lease(row))
}

/// Skips and logs a row that cannot be read: one damaged row must not keep other leases from ending
/// in time.
fn skip_damaged<T>(row: &Row<'_>, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error @ (StoreError::Unreadable(_) | StoreError::Range(_))) => {
            let id = row.get::<String>("lease_id").unwrap_or_default();
            tracing::error!(%error, lease.id = id, "the row of a lease cannot be read");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Begins the paid time. False, and nothing changes, unless the lease is `probed` and waits for
/// this payment.
pub(super) fn activate(
    db: Db<'_>,
    id: &LeaseId,
    payment_id: &PaymentId,
    ip: Option<&str>,
    grace_seconds: i64,
    now: i64,
) -> Result<bool, StoreError> {
    let made: Option<(Minutes, Wallet, Option<i64>)> = db.optional(
        "SELECT minutes, owner, network_ready_at FROM leases
         WHERE lease_id = ?1 AND payment_id = ?2 AND state = 'probed'",
        values![id, payment_id],
        |row| {
            let minutes = row.get("minutes")?;
            Ok((minutes, row.get("owner")?, row.get("network_ready_at")?))
        },
    )?;
    let Some((minutes, owner, network_ready_at)) = made else {
        return Ok(false);
    };
    brakes::release(db, &owner)?;
    // The paid time begins when the network of the container can be used, too.
    let end = network_ready_at.unwrap_or(now).max(now) + minutes.seconds();
    let destroy_at = grace::destroy_at(None, end, minutes, grace_seconds);
    let activated = db.execute(
        // It was running when it was probed, and its node may reboot before the next comparison.
        "UPDATE leases SET state = 'active', ip = ?2, expires_at = ?3, destroy_at = ?4, updated_at = ?5,
             running_seen_at = updated_at, client = NULL, held = NULL WHERE lease_id = ?1",
        values![id, ip, end, destroy_at, now],
    )?;
    Ok(activated == 1)
}

pub(super) fn move_lease(
    db: Db<'_>,
    id: &LeaseId,
    from: LeaseState,
    to: LeaseState,
    now: i64,
) -> Result<bool, StoreError> {
    let sql = "UPDATE leases SET state = ?3, updated_at = ?4,
         client = CASE WHEN ?3 = 'destroyed' THEN NULL ELSE client END WHERE lease_id = ?1 AND state = ?2";
    let moved = db.execute(sql, values![id, from.as_str(), to.as_str(), now])?;
    if moved == 1 && to == LeaseState::Destroyed {
        record_use(db, id)?;
    }
    Ok(moved == 1)
}

/// Extends a lease; false if it cannot be renewed any more.
pub(super) fn renewed(db: Db<'_>, renewal: &Renewal, now: i64) -> Result<bool, StoreError> {
    let outcome = renew(db, renewal, now)?;
    Ok(matches!(outcome, RenewalOutcome::Renewed { .. }))
}

/// The end of a lease once it is renewed at `now`, Unix seconds.
pub fn end_after(old_end: i64, minutes: Minutes, now: i64) -> i64 {
    old_end.max(now) + minutes.seconds()
}

fn renew(db: Db<'_>, renewal: &Renewal, now: i64) -> Result<RenewalOutcome, StoreError> {
    let done: Option<(i64, LeaseState, LeaseState)> = db.optional(
        "SELECT renewals.expires_at, previous_state, state FROM renewals JOIN leases USING (lease_id)
         WHERE renewals.payment_id = ?1 AND lease_id = ?2",
        values![renewal.payment_id, renewal.lease_id],
        |row| {
            let (was, state) = (row.get("previous_state")?, row.get("state")?);
            Ok((row.get("expires_at")?, was, state))
        },
    )?;
    if let Some((expires_at, was, state)) = done {
        return Ok(RenewalOutcome::Renewed {
            expires_at,
            was,
            state,
        });
    }
    let lease: Option<(LeaseState, Option<i64>, Option<i64>)> = db.optional(
        "SELECT state, expires_at, destroy_at FROM leases WHERE lease_id = ?1",
        values![renewal.lease_id],
        |row| {
            let state = row.get("state")?;
            Ok((state, row.get("expires_at")?, row.get("destroy_at")?))
        },
    )?;
    let Some((was, Some(old_end), old_destroy_at)) = lease else {
        return Ok(RenewalOutcome::NotRenewable);
    };
    if !was.is_renewable() {
        return Ok(RenewalOutcome::NotRenewable);
    }
    let expires_at = end_after(old_end, renewal.minutes, now);
    let (minutes, most) = (renewal.minutes, renewal.grace_seconds);
    let destroy_at = grace::destroy_at(old_destroy_at, expires_at, minutes, most);
    db.execute(
        "UPDATE leases SET state = 'active', expires_at = ?2, destroy_at = ?3, warned_at = NULL, updated_at = ?4
         WHERE lease_id = ?1",
        values![renewal.lease_id, expires_at, destroy_at, now],
    )?;
    let row = cells! {
        "payment_id": renewal.payment_id,
        "lease_id": renewal.lease_id,
        "minutes": renewal.minutes,
        "previous_state": was,
        "expires_at": expires_at,
        "created_at": now,
    };
    db.insert("renewals", &row, "")?;
    let state = LeaseState::Active;
    Ok(RenewalOutcome::Renewed {
        expires_at,
        was,
        state,
    })
}

/// The queries of the workers, with the number of their parameters.
#[cfg(test)]
pub(super) const QUERIES: [(&str, usize); 5] = [
    ends::QUERIES[0],
    ends::QUERIES[1],
    ends::QUERIES[2],
    looks::QUERIES[0],
    looks::QUERIES[1],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_unfinished_is_what_the_states_say() {
        for state in LeaseState::ALL {
            let named = UNFINISHED.contains(&format!("'{}'", state.as_str()));
            assert_eq!(named, state.is_unfinished(), "{state:?}");
        }
    }
}
