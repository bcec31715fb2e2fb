//! Alarms of leases: what keeps a container from being used or ended, and what the operator has to
//! do. An alarm is logged once when it begins, counted in a metric while it lasts, and shown to the
//! customer.

use crate::ids::LeaseId;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pve::Vmid;

/// The kind of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Another guest has its number, or nothing has.
    Gone,
    /// Its number is taken, and this service may not see by what: out of the pool, or rights were
    /// lost.
    Hidden,
    /// The guest with its number has no marker, and nothing else tells whether it is the lease's.
    Unmarked,
    /// It was made a template, which cannot run.
    Template,
    /// Protection keeps it from being removed.
    Protected,
    /// A lock keeps it from being stopped or removed.
    Locked,
    /// Its node does not answer.
    NodeAway,
    /// Its link cannot be put up although its time has come.
    LinkDown,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Gone,
        Self::Hidden,
        Self::Unmarked,
        Self::Template,
        Self::Protected,
        Self::Locked,
        Self::NodeAway,
        Self::LinkDown,
    ];

    /// The word in metrics and events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Hidden => "hidden",
            Self::Unmarked => "unmarked",
            Self::Template => "template",
            Self::Protected => "protected",
            Self::Locked => "locked",
            Self::NodeAway => "node_away",
            Self::LinkDown => "link_down",
        }
    }

    /// The kind with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.word() == word)
    }

    /// What the operator has to do.
    fn advice(self) -> &'static str {
        match self {
            Self::Gone => {
                "restore the container under the same number within ten minutes, or the lease ends and its unused part is owed"
            }
            Self::Hidden => {
                "put the container back into the pool (`pvesh set /pools -poolid POOL -vms VMID -allow-move 1`), and give the token \
                 its rights again; until then the lease is neither used nor ended. If the container is lost, `proxmox-api leases end ID`"
            }
            Self::Unmarked => {
                "write the marker of this lease into the container's notes again; until then the lease is neither used nor ended. If the \
                 container is another one, `proxmox-api leases end ID`"
            }
            Self::Template => {
                "a template cannot run: the lease ends in ten minutes and its unused part is owed; the template is left alone"
            }
            Self::Protected => {
                "take the protection away (`pct set VMID -protection 0`); removal is tried again every ten minutes"
            }
            Self::Locked => {
                "wait for the backup, snapshot or migration; if none is running, `pct unlock VMID`; it is tried again every ten minutes"
            }
            Self::NodeAway => "bring the node back; the container is stopped or removed then",
            Self::LinkDown => {
                "mend what the log line before says: the fence, or a lock; the link is tried again every five seconds"
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Alarm {
    trouble: Trouble,
    since: i64,
    /// Another replica has found it, and reports when it is over.
    is_told: bool,
}

/// The alarms of one process, by lease id.
#[derive(Default)]
pub struct Alarms(Mutex<HashMap<LeaseId, Alarm>>);

impl Alarms {
    fn all(&self) -> MutexGuard<'_, HashMap<LeaseId, Alarm>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises an alarm, and says it in the log if it is new; since when it lasts, Unix seconds.
    pub fn raise(&self, lease_id: &LeaseId, vmid: Vmid, trouble: Trouble, now: i64) -> i64 {
        let mut all = self.all();
        if let Some(known) = all.get(lease_id)
            && known.trouble == trouble
        {
            return known.since;
        }
        let alarm = Alarm {
            trouble,
            since: now,
            is_told: false,
        };
        all.insert(lease_id.clone(), alarm);
        drop(all);
        let (trouble, advice) = (trouble.word(), trouble.advice());
        tracing::error!(
            lease.id = lease_id.as_str(),
            vmid = vmid.get(),
            trouble,
            advice,
            "a leased container needs its operator"
        );
        now
    }

    /// The container was found in order, apart from what `except` says.
    pub fn clear(&self, lease_id: &LeaseId, except: &[Trouble]) {
        let mut all = self.all();
        if all
            .get(lease_id)
            .is_some_and(|alarm| !except.contains(&alarm.trouble))
        {
            all.remove(lease_id);
        }
    }

    /// What is the matter with a lease's container, if anything.
    pub fn of(&self, lease_id: &LeaseId) -> Option<Trouble> {
        self.all().get(lease_id).map(|alarm| alarm.trouble)
    }

    /// Whether the number of a lease may belong to another guest, of which nothing is shown.
    pub fn may_be_another(&self, lease_id: &LeaseId) -> bool {
        matches!(
            self.of(lease_id),
            Some(Trouble::Gone | Trouble::Hidden | Trouble::Unmarked)
        )
    }

    /// Every lease whose container is in trouble.
    pub fn troubles(&self) -> HashMap<LeaseId, Trouble> {
        let all = self.all();
        let troubles = all.iter().map(|(id, alarm)| (id.clone(), alarm.trouble));
        troubles.collect()
    }

    /// The leases whose trouble this process found, and whose end it therefore has to notice.
    pub fn found_here(&self) -> Vec<(LeaseId, Trouble)> {
        let all = self.all();
        let own = all.iter().filter(|(_, alarm)| !alarm.is_told);
        own.map(|(id, alarm)| (id.clone(), alarm.trouble)).collect()
    }

    /// Replaces the troubles that other replicas reported; those that they report no more are over.
    /// The replica that found one has logged it for the operator.
    pub fn take_over(&self, told: &HashMap<LeaseId, Trouble>, now: i64) {
        let mut all = self.all();
        all.retain(|id, alarm| !alarm.is_told || told.contains_key(id));
        for (id, trouble) in told {
            let alarm = Alarm {
                trouble: *trouble,
                since: now,
                is_told: true,
            };
            let known = all.entry(id.clone()).or_insert(alarm);
            if known.is_told && known.trouble != *trouble {
                *known = alarm;
            }
        }
    }

    /// Forgets leases that are over.
    pub fn keep(&self, is_live: impl Fn(&LeaseId) -> bool) {
        self.all().retain(|lease_id, _| is_live(lease_id));
    }

    /// Sets the metric.
    pub fn measure(&self) {
        let all = self.all();
        for trouble in Trouble::ALL {
            let number = all
                .values()
                .filter(|alarm| alarm.trouble == trouble)
                .count();
            metrics::gauge!("leases_in_trouble", "trouble" => trouble.word()).set(number as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_raised_once_and_keeps_its_beginning() {
        let alarms = Alarms::default();
        let [one, two] = [40_200_u32, 40_201].map(|vmid| Vmid::try_from(vmid).unwrap());
        assert_eq!(
            alarms.raise(&"lease-1".into(), one, Trouble::Hidden, 100),
            100
        );
        assert_eq!(
            alarms.raise(&"lease-1".into(), one, Trouble::Hidden, 160),
            100
        );
        assert_eq!(
            alarms.raise(&"lease-1".into(), one, Trouble::Gone, 200),
            200,
            "another one"
        );
        assert_eq!(alarms.of(&"lease-1".into()), Some(Trouble::Gone));
        alarms.clear(&"lease-1".into(), &[Trouble::Gone]);
        assert_eq!(alarms.of(&"lease-1".into()), Some(Trouble::Gone));
        alarms.clear(&"lease-1".into(), &[]);
        assert_eq!(alarms.of(&"lease-1".into()), None);
        alarms.raise(&"lease-2".into(), two, Trouble::Protected, 300);
        alarms.keep(|id| id == "lease-1");
        assert_eq!(alarms.of(&"lease-2".into()), None);
    }

    #[test]
    fn what_another_replica_found_is_over_when_it_says_so_and_what_was_found_here_is_not() {
        let alarms = Alarms::default();
        let vmid = Vmid::try_from(40_200_u32).unwrap();
        alarms.raise(&"own".into(), vmid, Trouble::Locked, 100);
        let told = |all: &[(&str, Trouble)]| -> HashMap<LeaseId, Trouble> {
            all.iter()
                .map(|(id, trouble)| ((*id).into(), *trouble))
                .collect()
        };
        let first = told(&[("own", Trouble::Gone), ("other", Trouble::Hidden)]);
        alarms.take_over(&first, 200);
        assert_eq!(alarms.of(&"own".into()), Some(Trouble::Locked));
        assert_eq!(alarms.of(&"other".into()), Some(Trouble::Hidden));
        assert_eq!(alarms.found_here(), [("own".into(), Trouble::Locked)]);
        alarms.take_over(&told(&[("other", Trouble::Gone)]), 260);
        assert_eq!(alarms.of(&"other".into()), Some(Trouble::Gone));
        alarms.take_over(&HashMap::new(), 320);
        assert_eq!(alarms.troubles(), told(&[("own", Trouble::Locked)]));
    }
}
