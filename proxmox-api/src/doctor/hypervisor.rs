//! Everything about Proxmox, from the outside inwards: what cannot be reached is not asked further.

use service::clock::Clock;

use super::{
    Depth, Finding, access, bridge, connection, console, nodes, pool, storage, templates, time,
};
use crate::proxmox::Proxmox;

/// Asks the host all that an account with the rights of `doctor --setup` may ask.
pub(super) async fn examine(proxmox: &Proxmox, clock: &dyn Clock, depth: Depth) -> Vec<Finding> {
    let mut findings = Vec::new();
    let seen = connection::look(&proxmox.config.host).await;
    findings.extend(time::examine(seen.as_ref().ok(), clock));
    let (connected, version) = connection::examine(proxmox, &seen).await;
    findings.extend(connected);
    let Some(version) = version else {
        return findings;
    };
    findings.extend(access::examine(proxmox).await);
    let (pooled, members) = pool::examine(proxmox).await;
    findings.extend(pooled);
    let (nodes, usable) = nodes::examine(proxmox).await;
    findings.extend(nodes);
    for node in &usable {
        findings.push(storage::examine(proxmox, node).await);
        findings.extend(bridge::examine(proxmox, node).await);
        findings.extend(templates::examine(proxmox, node).await);
    }
    findings.push(console::examine(proxmox, &version, &members, depth).await);
    findings
}
