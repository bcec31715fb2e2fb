//! Whether the storage for disks is there, takes containers and has room.

use pve::NodeName;

use super::{Finding, listed};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.storage";
/// Less than this, in bytes, is said: a lease's usual disk.
const ROOM: u64 = 8 << 30;

/// Looks at the storage as one node sees it.
pub(super) async fn examine(proxmox: &Proxmox, node: &NodeName) -> Finding {
    let name = &proxmox.config.storage;
    let expected = format!("the storage {name} on {node} takes containers");
    let storages = match proxmox.client.storages(node, None).await {
        Ok(storages) => storages,
        Err(error) => return Finding::unanswered(CHECK, &expected, &error),
    };
    let takes = |content: &[String]| content.iter().any(|kind| kind == "rootdir");
    let fit: Vec<&str> = storages
        .iter()
        .filter(|storage| takes(&storage.content))
        .map(|storage| storage.storage.as_str())
        .collect();
    match storages.iter().find(|storage| storage.storage == *name) {
        None => Finding::error(
            CHECK,
            &expected,
            format!(
                "it is not there, or may not be seen; there are: {}",
                listed(fit.iter().copied())
            ),
        )
        .mend(format!(
            "PVE_STORAGE={}",
            fit.first().unwrap_or(&"local-lvm")
        ))
        .mend("pvesm status  # on the host"),
        Some(storage) if !takes(&storage.content) => Finding::error(
            CHECK,
            &expected,
            format!("it takes only {}", storage.content.join(", ")),
        )
        .mend(format!(
            "pvesm set {name} --content rootdir,{}",
            storage.content.join(",")
        )),
        Some(storage) if !storage.active => Finding::error(CHECK, &expected, "it is not active")
            .mend("pvesm status  # on the host says why"),
        Some(storage) if storage.avail.is_some_and(|free| free < ROOM) => Finding::warning(
            CHECK,
            &expected,
            format!("it has {} MiB left", storage.avail.unwrap_or(0) >> 20),
        )
        .mend("pvesm status  # on the host; make room, or PVE_STORAGE=another"),
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
