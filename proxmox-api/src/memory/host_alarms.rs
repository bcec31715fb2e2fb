//! Alarms of the host: containers that keep its disks busy or restart again and again, and storages
//! that fill up. An alarm is logged once when it begins, and shown in metrics while it lasts.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use pve::{ContainerStatus, NodeName, Storage};

/// The share of time, in percent, in which all of a container's processes wait for disks, that is
/// too much.
const MAX_PRESSURE: f64 = 50.0;
/// How many looks in a row it has to last.
const LASTING_LOOKS: u32 = 3;
/// Seconds between two looks. What runs for less than that was started since the last one.
const BETWEEN: u64 = 60;
/// How many looks in a row have to find a container started anew: what it sent before each start is
/// not counted.
const STARTS: u32 = 10;
/// How full a storage for disks may be.
const NEARLY_FULL: f64 = 0.8;
/// How full one that was nearly full may be at most to be no longer so.
const NO_LONGER_FULL: f64 = 0.78;
/// The alarms of one process.
#[derive(Default)]
pub struct HostAlarms(Mutex<HostFindings>);

#[derive(Default)]
struct HostFindings {
    /// Looks in a row in which a container waited for disks.
    waiting: Streaks,
    /// Looks in a row that found a container started anew.
    starting: Streaks,
    /// Storages that are nearly full.
    full: HashSet<(NodeName, String)>,
}

/// Looks in a row in which something was the matter with a container.
#[derive(Default)]
struct Streaks(HashMap<(NodeName, u32), u32>);

impl HostAlarms {
    fn with<T>(&self, change: impl FnOnce(&mut HostFindings) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts the containers of a node whose processes wait for disks, and warns of lasting ones.
    pub fn pressure(&self, node: &NodeName, containers: &[ContainerStatus]) {
        let busy: HashMap<u32, f64> = containers
            .iter()
            .filter_map(|one| Some((one.vmid.get(), one.pressureiofull?)))
            .filter(|(_, percent)| *percent > MAX_PRESSURE)
            .collect();
        let begun = self.with(|known| known.waiting.count(node, busy, LASTING_LOOKS));
        for (vmid, percent) in begun {
            tracing::warn!(
                %node,
                vmid,
                percent,
                advice = "look what it does (`pct exec VMID -- top`); move or stop it if others suffer",
                "a container keeps its node's disks busy"
            );
        }
    }

    /// Counts the containers of a node that were started anew, and warns of those that restart
    /// again and again.
    pub fn starts(&self, node: &NodeName, containers: &[ContainerStatus]) {
        let young = containers
            .iter()
            .filter(|one| one.is_running())
            .filter_map(|one| Some((one.vmid.get(), one.uptime?)))
            .filter(|(_, uptime)| *uptime < BETWEEN)
            .collect();
        for (vmid, _) in self.with(|known| known.starting.count(node, young, STARTS)) {
            tracing::warn!(
                %node,
                vmid,
                advice = "look whether it sends much: what it sends right before a start is not counted",
                "a container starts again and again"
            );
        }
    }

    /// Measures the storages of a node, and warns of one that fills up.
    pub fn storages(&self, node: &NodeName, storages: Vec<&Storage>) {
        self.with(|known| {
            let shown = |name: &str| storages.iter().any(|one| one.storage.as_str() == name);
            known.full.retain(|(on, name)| on != node || shown(name));
        });
        for storage in storages {
            let (Some(used), Some(total @ 1..)) = (storage.used, storage.total) else {
                continue;
            };
            let (name, share) = (storage.storage.as_str(), used as f64 / total as f64);
            let labels = [("node", node.to_string()), ("storage", name.to_owned())];
            metrics::gauge!("storage_used_ratio", &labels).set(share);
            let key = (node.clone(), name.to_owned());
            if self.with(|known| known.fills(key, share)) {
                tracing::warn!(
                    %node,
                    storage = name,
                    percent = (share * 100.0).round(),
                    advice = "make room or add disks: full, it fails the writes of every tenant on it",
                    "the storage for containers' disks fills up"
                );
            }
        }
    }

    /// Forgets nodes that the cluster has no more.
    pub fn keep(&self, nodes: &HashSet<&NodeName>) {
        self.with(|known| {
            known.waiting.0.retain(|(node, _), _| nodes.contains(node));
            known.starting.0.retain(|(node, _), _| nodes.contains(node));
            known.full.retain(|(node, _)| nodes.contains(node));
        });
    }

    /// Sets the metrics.
    pub fn measure(&self) {
        let (busy, starting, full) = self.with(|known| {
            let busy = known.waiting.lasting(LASTING_LOOKS);
            (busy, known.starting.lasting(STARTS), known.full.len())
        });
        metrics::gauge!("containers_under_pressure").set(busy as f64);
        metrics::gauge!("containers_starting_again").set(starting as f64);
        metrics::gauge!("storages_nearly_full").set(full as f64);
    }
}

impl Streaks {
    /// Something is the matter with these containers of a node, and no others; those with which it
    /// has been for so many looks now.
    fn count<T>(&mut self, node: &NodeName, seen: HashMap<u32, T>, looks: u32) -> Vec<(u32, T)> {
        let mut begun = Vec::new();
        let before = std::mem::take(&mut self.0);
        let (own, others): (HashMap<_, _>, HashMap<_, _>) =
            before.into_iter().partition(|((on, _), _)| on == node);
        self.0 = others;
        for (vmid, figure) in seen {
            let key = (node.clone(), vmid);
            let lasts = own.get(&key).copied().unwrap_or(0).saturating_add(1);
            self.0.insert(key, lasts);
            if lasts == looks {
                begun.push((vmid, figure));
            }
        }
        begun
    }

    /// The containers with which it lasts for so many looks.
    fn lasting(&self, looks: u32) -> usize {
        self.0.values().filter(|lasts| **lasts >= looks).count()
    }
}

impl HostFindings {
    /// How full a storage is; whether it is nearly full since now.
    fn fills(&mut self, storage: (NodeName, String), share: f64) -> bool {
        if share > NEARLY_FULL {
            return self.full.insert(storage);
        }
        if share < NO_LONGER_FULL {
            self.full.remove(&storage);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_to_wait_for_disks_three_looks_in_a_row() {
        let node = |name: &str| NodeName::new(name).unwrap();
        let busy = |vmids: &[u32]| vmids.iter().map(|vmid| (*vmid, 60.0)).collect();
        let mut streaks = Streaks::default();
        let mut waits = |node: &NodeName, busy| {
            let begun = streaks.count(node, busy, 3);
            (begun, streaks.lasting(3))
        };
        assert_eq!(waits(&node("pve"), busy(&[1, 2])), (vec![], 0));
        assert_eq!(waits(&node("pve2"), busy(&[3])), (vec![], 0));
        assert_eq!(waits(&node("pve"), busy(&[1])), (vec![], 0));
        assert_eq!(waits(&node("pve"), busy(&[1, 2])), (vec![(1, 60.0)], 1));
        assert_eq!(waits(&node("pve"), busy(&[1, 2])), (vec![], 1), "said once");
        assert_eq!(waits(&node("pve"), busy(&[])), (vec![], 0));
    }

    #[test]
    fn a_storage_that_fills_up_is_said_once_each_time() {
        let mut known = HostFindings::default();
        let mut fills = |share| {
            let storage = (NodeName::new("pve").unwrap(), "local-lvm".to_owned());
            known.fills(storage, share)
        };
        let said = [0.8, 0.81, 0.9, 0.77, 0.85].map(&mut fills);
        assert_eq!(said, [false, true, false, false, true]);
        let flaps = [0.79, 0.81, 0.79, 0.81].map(&mut fills);
        assert_eq!(
            flaps, [false; 4],
            "not said each time that a few files come and go"
        );
    }

    fn storage(name: &str, used: u64) -> Storage {
        let storage = serde_json::json!({"storage": name, "used": used, "total": 100});
        serde_json::from_value(storage).unwrap()
    }

    #[test]
    fn what_is_no_longer_there_is_no_longer_full() {
        let [pve, gone] = ["pve", "pve2"].map(|name| NodeName::new(name).unwrap());
        let alarms = HostAlarms::default();
        let full = || alarms.with(|known| known.full.len());
        for node in [&pve, &gone] {
            alarms.storages(node, vec![&storage("disks", 90)]);
        }
        assert_eq!(full(), 2);
        alarms.keep(&HashSet::from([&pve]));
        assert_eq!(full(), 1, "a node that was taken out of the cluster");
        alarms.storages(&pve, Vec::new());
        assert_eq!(full(), 0, "a storage that was taken off its node");
    }

    #[test]
    fn a_container_that_starts_at_every_look_is_told_of_and_one_that_did_once_is_not() {
        let node = NodeName::new("pve").unwrap();
        let alarms = HostAlarms::default();
        let looks = |uptime: u64, times: u32| {
            let found = serde_json::json!({"vmid": 101, "status": "running", "uptime": uptime});
            let found: ContainerStatus = serde_json::from_value(found).unwrap();
            for _ in 0..times {
                alarms.starts(&node, std::slice::from_ref(&found));
            }
            alarms.with(|known| known.starting.lasting(STARTS))
        };
        assert_eq!(looks(5, STARTS - 1), 0);
        assert_eq!(looks(65, 1), 0);
        assert_eq!(looks(59, STARTS), 1);
        assert_eq!(looks(60, 1), 0);
    }
}
