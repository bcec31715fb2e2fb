//! The VMID that a lease gets: one that was never used, else the least recently used one. A request
//! for the previous lease could reach a VMID that is reused soon.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use pve::Vmid;

use super::super::{Db, StoreError, values};
use crate::ids::LeaseId;

/// A number of the range that no lease holds and that is none of `busy`; `None` where there is
/// none.
pub(in crate::store) fn free_vmid(
    db: Db<'_>,
    range: RangeInclusive<u32>,
    busy: &HashSet<Vmid>,
) -> Result<Option<Vmid>, StoreError> {
    let (low, high) = (*range.start(), *range.end());
    let is_free = |vmid: &Vmid| !busy.contains(vmid);
    let highest: Option<Vmid> = db.one(
        "SELECT max(vmid) AS highest FROM vmids WHERE vmid BETWEEN ?1 AND ?2",
        values![low, high],
        |row| row.get("highest"),
    )?;
    let fresh = highest.map_or(low, |highest| highest.get() + 1)..=high;
    if let Some(vmid) = guests(fresh).find(is_free) {
        return Ok(Some(vmid));
    }
    let enough = u32::try_from(busy.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    // The sign keeps SQLite from sorting the whole range: it reads the index of last use and skips
    // only numbers in use.
    let rested: Vec<Vmid> = db.all(
        "SELECT vmid FROM vmids WHERE +vmid BETWEEN ?1 AND ?2 AND NOT EXISTS
             (SELECT 1 FROM leases WHERE leases.vmid = vmids.vmid AND leases.state <> 'destroyed')
         ORDER BY last_use LIMIT ?3",
        values![low, high, enough],
        |row| row.get("vmid"),
    )?;
    if let Some(vmid) = rested.into_iter().find(is_free) {
        return Ok(Some(vmid));
    }
    // Numbers that were skipped because Proxmox used them at that time.
    let sql = "SELECT vmid FROM vmids WHERE vmid BETWEEN ?1 AND ?2";
    let used: HashSet<Vmid> = db.all(sql, values![low, high], |row| row.get("vmid"))?;
    Ok(guests(range).find(|vmid| is_free(vmid) && !used.contains(vmid)))
}

/// The numbers that Proxmox accepts for guests.
fn guests(range: RangeInclusive<u32>) -> impl Iterator<Item = Vmid> {
    range.filter_map(|number| Vmid::try_from(number).ok())
}

/// Records a use of a lease's number: it is assigned, given up or freed.
pub(in crate::store) fn record_use(db: Db<'_>, lease_id: &LeaseId) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO vmids (vmid, last_use)
         SELECT vmid, (SELECT coalesce(max(last_use), 0) + 1 FROM vmids) FROM leases WHERE lease_id = ?1
         ON CONFLICT (vmid) DO UPDATE SET last_use = excluded.last_use",
        values![lease_id],
    )?;
    Ok(())
}
