//! Containers of our pool without a lease, with what their configuration said when it was read. An
//! operator's pool may hold thousands; a comparison then needs the cluster's list only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pve::{GuestResource, NodeName, Vmid};

use crate::ids::LeaseId;

/// Seconds after which a container is looked at again although the list shows the same of it: its
/// notes are not in the list.
const KNOWN_FOR: i64 = 6 * 3600;
/// The same for one that could not be looked at.
const UNREADABLE_FOR: i64 = 600;

/// The result of reading a container's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestClass {
    /// It is not ours, or a copy of one of ours.
    Foreign,
    /// It was made for this lease, which is over or unknown.
    Orphan(LeaseId),
    /// It cannot be looked at.
    Unreadable,
}

/// The entries of the cluster's list by which a container is recognised; another container under
/// the same number would hardly have the same.
#[derive(Debug, Clone, PartialEq)]
struct ListedTraits {
    node: NodeName,
    name: Option<String>,
    template: bool,
    cores: Option<f64>,
    memory: Option<u64>,
    disk: Option<u64>,
}

impl ListedTraits {
    fn of(guest: &GuestResource) -> Self {
        Self {
            node: guest.node.clone(),
            name: guest.name.clone(),
            template: guest.template,
            cores: guest.maxcpu,
            memory: guest.maxmem,
            disk: guest.maxdisk,
        }
    }
}

struct KnownGuest {
    shown: ListedTraits,
    /// Seconds since its start at the last list: one that was made anew under its number runs for
    /// less.
    uptime: u64,
    verdict: GuestClass,
    /// When it was looked at, Unix seconds.
    at: i64,
}

/// The containers that are known, by number: no more than the last list had.
#[derive(Default)]
pub struct KnownGuests {
    all: Mutex<HashMap<Vmid, KnownGuest>>,
    told: Mutex<[usize; 3]>,
}

impl KnownGuests {
    fn all(&self) -> MutexGuard<'_, HashMap<Vmid, KnownGuest>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The earlier result, if the list still shows the container as it was; `None` where its
    /// configuration has to be read.
    pub fn class_of(&self, guest: &GuestResource, now: i64) -> Option<GuestClass> {
        let mut all = self.all();
        let known = all.get_mut(&guest.vmid)?;
        let keep = match known.verdict {
            GuestClass::Unreadable => UNREADABLE_FOR,
            GuestClass::Foreign | GuestClass::Orphan(_) => KNOWN_FOR,
        };
        let uptime = guest.uptime.unwrap_or(0);
        let is_same = known.shown == ListedTraits::of(guest) && known.uptime <= uptime;
        // A look that is of later than now was taken before the clock was set back.
        if !is_same || !(0..keep).contains(&(now - known.at)) {
            all.remove(&guest.vmid);
            return None;
        }
        known.uptime = uptime;
        Some(known.verdict.clone())
    }

    /// A container was looked at, `now` in Unix seconds.
    pub fn remember(&self, guest: &GuestResource, verdict: GuestClass, now: i64) {
        let known = KnownGuest {
            shown: ListedTraits::of(guest),
            uptime: guest.uptime.unwrap_or(0),
            verdict,
            at: now,
        };
        self.all().insert(guest.vmid, known);
    }

    /// Forgets numbers that the list does not show any more.
    pub fn keep(&self, is_listed: impl Fn(Vmid) -> bool) {
        self.all().retain(|vmid, _| is_listed(*vmid));
    }

    /// Whether these counts are others than those that were asked about last.
    pub fn is_new(&self, counts: [usize; 3]) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *told, counts) != counts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guest(more: serde_json::Value) -> GuestResource {
        let mut guest = json!({
            "vmid": 500, "node": "pve", "type": "lxc", "status": "running", "name": "theirs",
            "maxmem": 512, "maxdisk": 8, "uptime": 100,
        });
        for (key, value) in more.as_object().unwrap() {
            guest[key] = value.clone();
        }
        serde_json::from_value(guest).unwrap()
    }

    #[test]
    fn one_is_known_as_long_as_the_list_shows_the_same_of_it() {
        let known = KnownGuests::default();
        let before = guest(json!({}));
        assert_eq!(known.class_of(&before, 1_000), None);
        for other in [
            json!({"name": "another"}),
            json!({"node": "pve2"}),
            json!({"maxdisk": 9}),
            json!({"template": 1}),
            json!({"uptime": 99}),
        ] {
            known.remember(&before, GuestClass::Foreign, 1_000);
            let later = guest(json!({"uptime": 160, "status": "stopped"}));
            assert_eq!(known.class_of(&later, 1_060), Some(GuestClass::Foreign));
            assert_eq!(
                known.class_of(&guest(other.clone()), 1_120),
                None,
                "{other}"
            );
            assert_eq!(
                known.class_of(&before, 1_120),
                None,
                "{other}: looked at anew"
            );
        }
    }

    #[test]
    fn a_look_is_good_for_hours_and_a_failed_one_for_minutes() {
        let known = KnownGuests::default();
        for (verdict, good_for) in [
            (GuestClass::Foreign, KNOWN_FOR),
            (GuestClass::Orphan("lease-1".into()), KNOWN_FOR),
            (GuestClass::Unreadable, UNREADABLE_FOR),
        ] {
            known.remember(&guest(json!({})), verdict.clone(), 1_000);
            let find = |now| known.class_of(&guest(json!({})), now);
            assert_eq!(find(1_000 + good_for - 1), Some(verdict));
            assert_eq!(find(1_000 + good_for), None);
        }
        known.remember(&guest(json!({})), GuestClass::Foreign, 1_000);
        assert_eq!(
            known.class_of(&guest(json!({})), 999),
            None,
            "the clock was set"
        );
    }

    #[test]
    fn no_more_is_kept_than_the_list_shows() {
        let known = KnownGuests::default();
        for vmid in 500..600 {
            let guest = guest(json!({"vmid": vmid}));
            known.remember(&guest, GuestClass::Foreign, 1_000);
        }
        known.keep(|vmid| vmid.get() < 510);
        assert_eq!(known.all().len(), 10);
    }
}
