//! Whether the storage for disks is there on the nodes, takes containers and has room.

use pve::{NodeName, Storage};

use super::{Finding, Severity, listed};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.storage";
/// Free bytes below which doctor warns: a lease's usual disk.
const ROOM: u64 = 8 << 30;
/// Kinds of storages that allocate more than they have. A full one fails for all containers at
/// once.
const THIN: [&str; 3] = ["lvmthin", "zfspool", "rbd"];
/// How full such a storage may be, in percent.
const FULL: u64 = 80;

/// A node with its storages.
struct NodeStorages<'a> {
    node: &'a NodeName,
    storages: Vec<Storage>,
}

impl NodeStorages<'_> {
    fn takes_containers_on(&self, name: &str) -> bool {
        self.storages
            .iter()
            .any(|one| one.storage == name && one.is_usable() && one.holds("rootdir"))
    }

    fn takes_containers(&self) -> impl Iterator<Item = &str> {
        let fit = self.storages.iter();
        fit.filter(|storage| storage.holds("rootdir") && storage.enabled != Some(false))
            .map(|storage| storage.storage.as_str())
    }
}

/// Examines the storage on each of the nodes.
pub(super) async fn examine(proxmox: &Proxmox, nodes: &[NodeName]) -> Vec<Finding> {
    let name = &proxmox.config.storage;
    let (mut findings, mut seen) = (Vec::new(), Vec::new());
    for node in nodes {
        match proxmox.client.storages(node, None).await {
            Ok(storages) => seen.push(NodeStorages { node, storages }),
            Err(error) => findings.push(Finding::unanswered(CHECK, &expected(name, node), &error)),
        }
    }
    findings.extend(seen.iter().map(|one| on_node(name, one, &seen)));
    findings
}

fn expected(name: &str, node: &NodeName) -> String {
    format!("the storage {name} on {node} takes containers")
}

fn on_node(name: &str, one: &NodeStorages<'_>, all: &[NodeStorages<'_>]) -> Finding {
    let expected = expected(name, one.node);
    let found = one.storages.iter().find(|storage| storage.storage == name);
    match found {
        None => {
            let fit = listed(one.takes_containers());
            let found = format!("it is not there, or may not be seen; there are: {fit}");
            unusable(name, &expected, found, all).mend(format!("pvesm status  # on {}", one.node))
        }
        Some(storage) if !storage.holds("rootdir") => {
            let content = storage.content.join(",");
            let found = format!("it takes only {}", storage.content.join(", "));
            Finding::error(CHECK, &expected, found)
                .mend(format!("pvesm set {name} --content rootdir,{content}"))
        }
        Some(storage) if storage.enabled == Some(false) => {
            let found = "it is for other nodes, or switched off".to_owned();
            unusable(name, &expected, found, all).mend(format!(
                "pvesm set {name} --nodes {}  # where the disks for it are there",
                all.iter()
                    .map(|seen| seen.node.as_str())
                    .collect::<Vec<_>>()
                    .join(",")
            ))
        }
        Some(storage) if !storage.active => {
            unusable(name, &expected, "it is not active".to_owned(), all)
                .mend(format!("pvesm status  # on {} says why", one.node))
        }
        Some(storage) if storage.avail.is_some_and(|free| free < ROOM) => Finding::warning(
            CHECK,
            &expected,
            format!("it has {} MiB left", storage.avail.unwrap_or(0) >> 20),
        )
        .mend("pvesm status  # on the host; make room, or PVE_STORAGE=another"),
        Some(storage) if thin_and_full(storage).is_some() => {
            let percent = thin_and_full(storage).unwrap_or_default();
            let found = format!(
                "it is thin and {percent} % full: at 100 % every container on it fails, not only new ones"
            );
            Finding::warning(CHECK, &expected, found).mend(format!(
                "pvesm status --storage {name}  # on {}; enlarge it, or delete snapshots and what is not used",
                one.node
            ))
        }
        Some(storage) => Finding::ok(
            CHECK,
            &expected,
            storage.avail.map_or_else(
                || "it does".to_owned(),
                |free| format!("it does, with {} GiB left", free >> 30),
            ),
        ),
    }
}

/// How full a thin storage is, in percent, if that is too much.
fn thin_and_full(storage: &Storage) -> Option<u64> {
    let (used, total) = (storage.used?, storage.total.filter(|total| *total > 0)?);
    let percent = used.saturating_mul(100) / total;
    (THIN.contains(&storage.kind.as_str()) && percent > FULL).then_some(percent)
}

/// A node without the storage takes no container; only where no node has it do leases fail.
fn unusable(name: &str, expected: &str, found: String, all: &[NodeStorages<'_>]) -> Finding {
    let having = all.iter().filter(|seen| seen.takes_containers_on(name));
    let having: Vec<&str> = having.map(|seen| seen.node.as_str()).collect();
    // Another storage is advice only if it would do on every node.
    let mut other = all
        .iter()
        .flat_map(NodeStorages::takes_containers)
        .filter(|other| *other != name && all.iter().all(|seen| seen.takes_containers_on(other)));
    let other = other.next().map(|other| format!("PVE_STORAGE={other}"));
    let finding = if having.is_empty() {
        Finding::new(CHECK, Severity::Error, expected, found)
    } else {
        let found = format!("{found}; no container is placed there");
        Finding::new(CHECK, Severity::Warning, expected, found).mend(format!(
            "PVE_NODE={}  # the nodes that have it",
            having.join(",")
        ))
    };
    other.into_iter().fold(finding, Finding::mend)
}
