//! Whether the bridge that containers are attached to is there.

use pve::NodeName;

use super::{Finding, listed};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.bridge";

/// Looks for the bridge on one node; containers without a network need none.
pub(super) async fn examine(proxmox: &Proxmox, node: &NodeName) -> Option<Finding> {
    let name = proxmox.config.bridge.as_deref()?;
    let expected = format!("there is a bridge {name} on {node}");
    let bridges = match proxmox.client.bridges(node).await {
        Ok(bridges) => bridges,
        Err(error) => return Some(Finding::unanswered(CHECK, &expected, &error)),
    };
    let names = || bridges.iter().map(|bridge| bridge.iface.as_str());
    Some(match bridges.iter().find(|bridge| bridge.iface == name) {
        Some(bridge) if bridge.active == Some(false) => {
            Finding::warning(CHECK, &expected, "it is not up")
                .mend(format!("ifup {name}  # on {node}"))
        }
        Some(_) => Finding::ok(CHECK, &expected, "it is there"),
        None => {
            let found = format!(
                "it is not there, or may not be used; there are: {}",
                listed(names())
            );
            Finding::error(CHECK, &expected, found)
                .mend(format!("PVE_BRIDGE={}", names().next().unwrap_or("none")))
                .mend(format!("ip -brief link show type bridge  # on {node}"))
        }
    })
}
