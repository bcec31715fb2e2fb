//! Whether the containers' bridge exists, and in which zone the rights on it are.

use pve::{NodeName, Vnet};

use super::{Finding, listed, setup};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.bridge";

/// The zone of the bridge, as far as the token may see it: that of its VNet, or the one of plain
/// bridges. `None` where neither shows, as with a token that has no right on it yet.
pub(super) async fn zone(proxmox: &Proxmox, nodes: &[NodeName]) -> Option<String> {
    let name = proxmox.config.bridge.as_deref()?;
    let vnets = proxmox.client.vnets().await.unwrap_or_default();
    if let Some(vnet) = vnets.into_iter().find(|vnet| vnet.vnet == name) {
        return Some(vnet.zone);
    }
    for node in nodes {
        let bridges = proxmox.client.bridges(node).await.unwrap_or_default();
        let Some(bridge) = bridges.iter().find(|bridge| bridge.iface == name) else {
            continue;
        };
        if bridge.kind != "vnet" {
            return Some(setup::PLAIN.to_owned());
        }
        // `SDN.Use` alone shows the VNet on the node, but not its zone; the rule that gave it does.
        let held = proxmox.client.permissions().await.ok()?;
        let zones = held.paths().keys().filter_map(|path| {
            let (zone, bridge) = path.strip_prefix("/sdn/zones/")?.split_once('/')?;
            (bridge == name && zone != setup::PLAIN).then(|| zone.to_owned())
        });
        return zones.into_iter().next();
    }
    None
}

/// Examines the bridge on one node; containers without a network need none.
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
            let finding = Finding::error(CHECK, &expected, found);
            let vnets = proxmox.client.vnets().await.unwrap_or_default();
            let finding = match vnets.iter().find(|vnet| vnet.vnet == name) {
                // The cluster has it, but its zone leaves the node out, or it was never applied
                // there.
                Some(Vnet { zone, .. }) => finding.mend(format!(
                    "pvesh set /cluster/sdn/zones/{zone} --delete nodes && pvesh set /cluster/sdn"
                )),
                None => finding,
            };
            let finding = match names().next() {
                Some(other) => finding.mend(format!("PVE_BRIDGE={other}")),
                None => finding,
            };
            // A VNet shows only to those with a right below its own zone.
            let token_id = &proxmox.config.token_id;
            let grants = setup::grants(&proxmox.config, setup::Zone::Asked).into_iter();
            let right = grants
                .filter(|grant| grant.path.starts_with("/sdn/"))
                .flat_map(|grant| grant.commands(token_id).into_iter().take(1));
            let finding = finding.mend(format!("ip -brief link show type bridge  # on {node}"));
            right.fold(finding, Finding::mend)
        }
    })
}
