//! Containers of held leases: the outcome of their payment is unknown.

use super::{
    super::{Store, StoreError, change_lock::ChangeLock, sql::Row, values},
    row::{COLUMNS, read_lease},
};
use crate::ids::LeaseId;
use crate::store::Lease;

/// The lease waits for a payment that may still turn out either way.
const IS_HELD: &str = "leases.state = 'probed' AND leases.state <> 'destroyed' AND EXISTS (SELECT 1 FROM payments
     WHERE payments.payment_id = leases.payment_id AND payments.state IN ('settling', 'unknown', 'unresolved'))";

/// Whether the container of a held lease runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldPower {
    /// The service did not stop it.
    Running,
    /// A stop may have been sent.
    Stopping,
    /// It was stopped.
    Stopped,
}

impl HeldPower {
    fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Running => None,
            Self::Stopping => Some("stopping"),
            Self::Stopped => Some("stopped"),
        }
    }

    fn parse(name: Option<&str>) -> Result<Self, StoreError> {
        match name {
            None => Ok(Self::Running),
            Some("stopping") => Ok(Self::Stopping),
            Some("stopped") => Ok(Self::Stopped),
            Some(_) => Err(StoreError::Unreadable("whether a held container runs")),
        }
    }
}

/// The container of a held lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldContainer {
    /// The lease.
    pub lease: Lease,
    /// Since when its payment is in its state, Unix seconds.
    pub since: i64,
    /// Whether it runs.
    pub power: HeldPower,
    /// The end of the payment's window, Unix seconds.
    pub valid_before: i64,
}

impl Store {
    /// Every container that is held for a payment of unknown outcome, or whose payment is being settled.
    /// # Errors
    /// The database failed.
    pub async fn held_containers(&self) -> Result<Vec<HeldContainer>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, (SELECT updated_at FROM payments WHERE payments.payment_id = leases.payment_id)
                     AS since, held,
                 (SELECT valid_before FROM payments WHERE payments.payment_id = leases.payment_id)
                     AS valid_before
             FROM leases WHERE {IS_HELD} ORDER BY created_at"
        );
        self.read(move |db| {
            let held: Vec<Option<HeldContainer>> =
                db.all(&sql, &[], |row| super::skip_damaged(row, read_held(row)))?;
            Ok(held.into_iter().flatten().collect())
        })
        .await
    }

    /// Stores what is done with the container of a held lease; false if the lease is not held any more.
    /// # Errors
    /// The database failed.
    pub async fn set_held_power(&self, id: &LeaseId, power: HeldPower) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let sql = format!("UPDATE leases SET held = ?2 WHERE lease_id = ?1 AND {IS_HELD}");
            Ok(db.execute(&sql, values![id, power.as_str()])? == 1)
        })
        .await
    }

    /// What was done with the container of a lease while it was held.
    /// # Errors
    /// The database failed.
    pub async fn held_power(&self, id: &LeaseId) -> Result<HeldPower, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = "SELECT held FROM leases WHERE lease_id = ?1";
            let held = db.optional(sql, values![id], |row| row.get::<Option<String>>("held"))?;
            HeldPower::parse(held.flatten().as_deref())
        })
        .await
    }

    /// Gives up a held container, which is then removed; its payment stays as it is. False if the lease is not held any more.
    /// # Errors
    /// The database failed.
    pub async fn give_up_held(&self, id: &LeaseId, now: i64) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(ChangeLock::Lease(id.clone()), move |db| {
            let sql = format!(
                "UPDATE leases SET state = 'undoing', updated_at = ?2 WHERE lease_id = ?1 AND {IS_HELD}"
            );
            Ok(db.execute(&sql, values![id, now])? == 1)
        })
        .await
    }
}

fn read_held(row: &Row<'_>) -> Result<HeldContainer, StoreError> {
    Ok(HeldContainer {
        lease: read_lease(row)?,
        since: row.get("since")?,
        power: HeldPower::parse(row.get::<Option<String>>("held")?.as_deref())?,
        valid_before: row.get("valid_before")?,
    })
}
