//! What the operator has to know of the host while tenants use it: containers that keep its disks
//! busy, and storages that fill up, which every tenant on them would feel. Said once in the log
//! when it begins, and shown in metrics while it lasts.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use pve::{ContainerStatus, Node, NodeName, NodeState, Storage};
use tokio::time::timeout;

use crate::state::App;

/// The share of time, in percent, in which all of a container's processes wait for disks, that is
/// too much.
const TOO_MUCH_PRESSURE: f64 = 50.0;
/// How many looks in a row it has to last.
const LOOKS: u32 = 3;
/// How full a storage for disks may be.
const NEARLY_FULL: f64 = 0.8;
/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The alarms of one process.
#[derive(Default)]
pub struct HostAlarms(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Looks in a row in which a container waited for disks.
    waiting: HashMap<(NodeName, u32), u32>,
    /// Storages that are nearly full.
    full: HashSet<(NodeName, String)>,
}

/// Looks at every node that is online, and at the containers of those in `holding`, which have leased
/// ones. A node that does not answer keeps its alarms.
pub async fn look(app: &App, nodes: &[Node], holding: &HashSet<&NodeName>) {
    let online = nodes.iter().filter(|node| node.status == NodeState::Online);
    let looks = online.map(|node| async {
        let name = &node.node;
        let asked = async { tokio::join!(containers(app, name, holding), storages(app, name)) };
        (name, timeout(PATIENCE, asked).await)
    });
    for (node, looked) in join_all(looks).await {
        let Ok((containers, storages)) = looked else {
            tracing::warn!(%node, "a node takes too long to tell how its containers are");
            continue;
        };
        if let Ok(containers) = containers {
            app.host_alarms.pressure(node, &containers);
        }
        if let Ok(storages) = storages {
            let disks = storages.iter();
            let disks = disks.filter(|one| one.storage == app.proxmox.config.storage);
            app.host_alarms.storages(node, disks);
        }
    }
    app.host_alarms.measure();
}

async fn containers(
    app: &App,
    node: &NodeName,
    holding: &HashSet<&NodeName>,
) -> Result<Vec<ContainerStatus>, pve::Error> {
    if !holding.contains(node) {
        return Ok(Vec::new());
    }
    app.proxmox.client.containers(node).await
}

async fn storages(app: &App, node: &NodeName) -> Result<Vec<Storage>, pve::Error> {
    app.proxmox.client.storages(node, None).await
}

impl HostAlarms {
    fn with<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn pressure(&self, node: &NodeName, containers: &[ContainerStatus]) {
        let busy: HashMap<u32, f64> = containers
            .iter()
            .filter_map(|one| Some((one.vmid.get(), one.pressureiofull?)))
            .filter(|(_, percent)| *percent > TOO_MUCH_PRESSURE)
            .collect();
        let begun = self.with(|known| known.waits(node, busy));
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

    fn storages<'a>(&self, node: &NodeName, storages: impl Iterator<Item = &'a Storage>) {
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

    fn measure(&self) {
        let (busy, full) = self.with(|known| (known.busy(), known.full.len()));
        metrics::gauge!("containers_under_pressure").set(busy as f64);
        metrics::gauge!("storages_nearly_full").set(full as f64);
    }
}

impl Known {
    /// These containers of a node wait for disks, and no others; those for which it has lasted too
    /// long now.
    fn waits(&mut self, node: &NodeName, busy: HashMap<u32, f64>) -> Vec<(u32, f64)> {
        let mut begun = Vec::new();
        let before = std::mem::take(&mut self.waiting);
        let (own, others): (HashMap<_, _>, HashMap<_, _>) =
            before.into_iter().partition(|((on, _), _)| on == node);
        self.waiting = others;
        for (vmid, percent) in busy {
            let key = (node.clone(), vmid);
            let looks = own.get(&key).copied().unwrap_or(0).saturating_add(1);
            self.waiting.insert(key, looks);
            if looks == LOOKS {
                begun.push((vmid, percent));
            }
        }
        begun
    }

    /// How full a storage is; whether it is nearly full since now.
    fn fills(&mut self, storage: (NodeName, String), share: f64) -> bool {
        if share > NEARLY_FULL {
            return self.full.insert(storage);
        }
        self.full.remove(&storage);
        false
    }

    fn busy(&self) -> usize {
        self.waiting
            .values()
            .filter(|looks| **looks >= LOOKS)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_to_wait_for_disks_three_looks_in_a_row() {
        let node = |name: &str| NodeName::new(name).unwrap();
        let busy = |vmids: &[u32]| vmids.iter().map(|vmid| (*vmid, 60.0)).collect();
        let mut known = Known::default();
        assert_eq!(known.waits(&node("pve"), busy(&[1, 2])), []);
        assert_eq!(known.waits(&node("pve2"), busy(&[3])), []);
        assert_eq!(known.waits(&node("pve"), busy(&[1])), []);
        assert_eq!(known.busy(), 0);
        assert_eq!(known.waits(&node("pve"), busy(&[1, 2])), [(1, 60.0)]);
        assert_eq!(known.waits(&node("pve"), busy(&[1, 2])), [], "said once");
        assert_eq!(known.busy(), 1);
        assert_eq!(known.waits(&node("pve"), busy(&[])), []);
        assert_eq!(known.busy(), 0);
    }

    #[test]
    fn a_storage_that_fills_up_is_said_once_each_time() {
        let mut known = Known::default();
        let mut fills = |share| {
            let storage = (NodeName::new("pve").unwrap(), "local-lvm".to_owned());
            known.fills(storage, share)
        };
        let said = [0.8, 0.81, 0.9, 0.79, 0.85].map(&mut fills);
        assert_eq!(said, [false, true, false, false, true]);
    }
}
