//! Where leases' containers were found within the last seconds, so that checks before a sale and
//! the lists of a wallet's leases need no request to Proxmox for each container.
//! `lease::container::locate` fills this in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pve::{NodeName, Vmid};

use crate::ids::LeaseId;

/// How long a look is good for calls that may come many times a second, in milliseconds.
const FRESH: u64 = 5_000;

/// A container that was located as a lease's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLocation {
    /// The node.
    pub node: NodeName,
    /// The number.
    pub vmid: Vmid,
    /// The operation that holds it, such as `backup`.
    pub lock: Option<String>,
    /// It was made a template, which cannot run.
    pub template: bool,
}

/// The containers that were located within the last seconds.
#[derive(Default)]
pub struct RecentLocations(Mutex<HashMap<Vmid, RecentLocation>>);

/// A located container, its owner, and when it was read: in Unix milliseconds, and in milliseconds
/// of the monotonic clock.
struct RecentLocation {
    at: u64,
    moment: Instant,
    lease_id: LeaseId,
    location: ContainerLocation,
}

impl RecentLocations {
    fn all(&self) -> MutexGuard<'_, HashMap<Vmid, RecentLocation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a location that was read at `now`, in Unix milliseconds.
    pub fn remember(&self, location: &ContainerLocation, lease_id: &LeaseId, now: u64) {
        let mut all = self.all();
        all.retain(|_, look| is_fresh(look.at, now));
        let look = RecentLocation {
            at: now,
            moment: Instant::now(),
            lease_id: lease_id.clone(),
            location: location.clone(),
        };
        all.insert(location.vmid, look);
    }

    /// The location of a lease's container, if it was read within the last five seconds.
    pub fn find(&self, vmid: Vmid, lease_id: &LeaseId, now: u64) -> Option<ContainerLocation> {
        let all = self.all();
        let look = all.get(&vmid)?;
        (is_fresh(look.at, now) && look.lease_id == *lease_id).then(|| look.location.clone())
    }

    /// The located container of a lease, if it was read after `moment`.
    pub fn lock_read_since(
        &self,
        vmid: Vmid,
        lease_id: &LeaseId,
        moment: Instant,
    ) -> Option<Option<String>> {
        let all = self.all();
        let look = all.get(&vmid)?;
        let later = look.moment > moment && look.lease_id == *lease_id;
        later.then(|| look.location.lock.clone())
    }

    /// The container is about to change.
    pub fn forget(&self, vmid: Vmid) {
        self.all().remove(&vmid);
    }
}

/// Whether a location is fresh. A later time was stored before the clock was set back.
fn is_fresh(at: u64, now: u64) -> bool {
    now.checked_sub(at).is_some_and(|age| age < FRESH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_of_one_lease_and_ends_with_its_container() {
        let location = ContainerLocation {
            node: NodeName::new("pve").unwrap(),
            vmid: Vmid::try_from(40_200_u32).unwrap(),
            lock: None,
            template: false,
        };
        let (looks, vmid) = (RecentLocations::default(), location.vmid);
        assert_eq!(looks.find(vmid, &"lease-1".into(), 1_000), None);
        looks.remember(&location, &"lease-1".into(), 1_000);
        assert_eq!(looks.find(vmid, &"lease-1".into(), 5_999), Some(location));
        assert_eq!(looks.find(vmid, &"lease-1".into(), 6_000), None, "too old");
        assert_eq!(
            looks.find(vmid, &"lease-1".into(), 999),
            None,
            "the clock was set"
        );
        assert_eq!(looks.find(vmid, &"lease-2".into(), 1_000), None);
        looks.forget(vmid);
        assert_eq!(looks.find(vmid, &"lease-1".into(), 1_000), None);
    }
}
