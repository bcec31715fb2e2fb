//! The addresses that leases and probes get, and when the link of a lease's container may be put
//! up.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{
    super::{Db, Store, StoreError, change_lock::ChangeLock, values},
    record::AddressPool,
    row::{COLUMNS, Lease, read_lease},
};
use crate::ids::LeaseId;

/// Seconds before a freed address is used again: traffic for the previous lease must not reach the
/// next one.
const REST: i64 = 3600;

/// The name under which the addresses of a probe's containers are kept.
const OF_PROBE: &str = "probe_addresses";
/// Seconds after which a probe that still holds addresses counts as killed.
const PROBE_LASTS: i64 = 3600;

/// The addresses that a probe's containers have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OfProbe {
    /// Which probe.
    id: String,
    addresses: Vec<Ipv4Addr>,
    /// Since when, Unix seconds.
    since: i64,
}

/// The outcome of a probe's claim of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeClaim {
    /// The addresses; no lease gets them until they are released.
    Claimed(Vec<Ipv4Addr>),
    /// Another probe has some, since then, Unix seconds.
    Busy(i64),
    /// There are too few.
    TooFew,
}

/// The lowest address that is free; `None` where there is none.
pub(in crate::store) fn free_address(
    db: Db<'_>,
    pool: &AddressPool,
    now: i64,
) -> Result<Option<Ipv4Addr>, StoreError> {
    let mut taken = taken(db, now)?;
    // Also of a killed probe, which may have left its containers.
    taken.extend(of_probe(db)?.into_iter().flat_map(|probe| probe.addresses));
    Ok(pool.addresses().find(|address| !taken.contains(address)))
}

fn of_probe(db: Db<'_>) -> Result<Option<OfProbe>, StoreError> {
    let sql = "SELECT value FROM installation WHERE name = ?1";
    let kept: Option<String> = db.optional(sql, values![OF_PROBE], |row| row.get("value"))?;
    let read = |text: String| serde_json::from_str(&text);
    let probe = kept.filter(|text| !text.is_empty()).map(read).transpose();
    probe.map_err(|_| StoreError::Unreadable("the addresses of a probe"))
}

/// The addresses that leases have, or had lately. An address that was never on the bridge is free
/// at once: otherwise failed attempts, which cost nothing, would use up a small network for an
/// hour.
fn taken(db: Db<'_>, now: i64) -> Result<HashSet<Ipv4Addr>, StoreError> {
    let taken: Vec<String> = db.all(
        "SELECT address FROM leases WHERE address IS NOT NULL AND state <> 'destroyed'
         UNION ALL SELECT address FROM leases WHERE address IS NOT NULL AND updated_at > ?1
             AND mac IS NOT NULL AND link_up_at IS NULL",
        values![now - REST],
        |row| row.get("address"),
    )?;
    Ok(taken
        .iter()
        .filter_map(|address| address.parse().ok())
        .collect())
}

impl Store {
    /// Takes addresses for the containers of a probe, from the end that leases reach last, until they are given back by
    /// [`Self::release_probe_addresses`].
    /// # Errors
    /// The database failed.
    pub async fn claim_probe_addresses(
        &self,
        id: &str,
        pool: AddressPool,
        number: usize,
        now: i64,
    ) -> Result<ProbeClaim, StoreError> {
        let id = id.to_owned();
        self.write(ChangeLock::Claims, move |db| {
            let before = of_probe(db)?;
            if let Some(before) = &before
                // A time in the future was stored before the clock was set back.
                && (0..PROBE_LASTS).contains(&(now - before.since))
            {
                return Ok(ProbeClaim::Busy(before.since));
            }
            let mut taken = taken(db, now)?;
            taken.extend(before.into_iter().flat_map(|before| before.addresses));
            let free = pool
                .addresses()
                .rev()
                .filter(|address| !taken.contains(address));
            let addresses: Vec<Ipv4Addr> = free.take(number).collect();
            if addresses.len() < number {
                return Ok(ProbeClaim::TooFew);
            }
            let probe = OfProbe {
                id: id.clone(),
                addresses: addresses.clone(),
                since: now,
            };
            let text = serde_json::to_string(&probe)
                .map_err(|_| StoreError::Unreadable("the addresses of a probe"))?;
            db.execute(
                "INSERT INTO installation (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                values![OF_PROBE, text],
            )?;
            Ok(ProbeClaim::Claimed(addresses))
        })
        .await
    }

    /// Releases the addresses of a probe, once its containers are gone.
    /// # Errors
    /// The database failed.
    pub async fn release_probe_addresses(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(ChangeLock::Claims, move |db| {
            if of_probe(db)?.is_some_and(|probe| probe.id == id) {
                db.execute(
                    "DELETE FROM installation WHERE name = ?1",
                    values![OF_PROBE],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// The addresses of ours that containers of live leases have, by the lease's id.
    /// # Errors
    /// The database failed.
    pub async fn live_addresses(&self) -> Result<Vec<(LeaseId, Ipv4Addr)>, StoreError> {
        let sql = "SELECT lease_id, address FROM leases
             WHERE address IS NOT NULL AND state <> 'destroyed' ORDER BY created_at";
        let all: Vec<(LeaseId, String)> = self
            .read(move |db| {
                db.all(sql, &[], |row| {
                    Ok((row.get("lease_id")?, row.get("address")?))
                })
            })
            .await?;
        let parsed = all
            .into_iter()
            .map(|(id, address)| Some((id, address.parse().ok()?)));
        Ok(parsed.flatten().collect())
    }

    /// The container's link has to stay down until `at`, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn keep_link_down(&self, id: &LeaseId, at: i64) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(ChangeLock::None, move |db| {
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
    pub async fn link_is_up(&self, id: &LeaseId) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE leases SET link_up_at = NULL WHERE lease_id = ?1";
            db.execute(sql, values![id])?;
            Ok(())
        })
        .await
    }

    /// Leases whose container's link is kept down, and until when, Unix seconds.
    /// # Errors
    /// The database failed.
    pub async fn links_kept_down(&self) -> Result<Vec<(Lease, i64)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, link_up_at FROM leases WHERE link_up_at IS NOT NULL
             AND state IN ('created', 'probed', 'active') AND state <> 'destroyed' ORDER BY link_up_at"
        );
        self.read(move |db| {
            let waiting: Vec<Option<(Lease, i64)>> = db.all(&sql, &[], |row| {
                let read = || Ok((read_lease(row)?, row.get("link_up_at")?));
                super::skip_damaged(row, read())
            })?;
            Ok(waiting.into_iter().flatten().collect())
        })
        .await
    }

    /// Whether the link of a lease's container is kept down.
    /// # Errors
    /// The database failed.
    pub async fn is_link_kept_down(&self, id: &LeaseId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = "SELECT 1 FROM leases WHERE lease_id = ?1 AND link_up_at IS NOT NULL";
            db.exists(sql, values![id])
        })
        .await
    }
}
