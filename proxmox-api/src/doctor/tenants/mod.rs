//! What the host shows of the fence around tenants: the network, the firewall that its rules need,
//! and releases with known ways out of a container. What it does not show, such as the nft table on
//! the bridge, is for a probe from inside.

mod addresses;
mod firewall;
mod network;
mod packages;

use pve::NodeName;

pub(super) use addresses::examine as addresses;

use super::{Finding, Severity, store};
use crate::{
    config::{Config, FencePolicy},
    lease::network::fence,
    proxmox::Proxmox,
};

/// The command that prints the fence.
const SETUP: &str = "proxmox-api doctor --setup  # prints the fence for these settings";

/// Examines all of it; without `PVE_NETWORK` only the faults that every container is exposed to.
pub(super) async fn examine(proxmox: &Proxmox, nodes: &[NodeName], proven: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let (Some(subnet), Some(bridge)) = (proxmox.config.network.subnet, &proxmox.config.bridge) {
        findings.push(network::room(proxmox, subnet));
        findings.extend(network::way_in(proxmox, subnet));
        for node in nodes {
            findings.extend(network::examine(proxmox, node, bridge, subnet).await);
        }
        findings.extend(firewall::examine(proxmox, nodes, proven).await);
    }
    for node in nodes {
        findings.extend(packages::examine(proxmox, node).await);
    }
    findings
}

/// Whether a probe has shown that the bridge's own table fences tenants in. A store that cannot be
/// read is a finding of its own.
pub(super) async fn proven(config: &Config) -> bool {
    if config.proxmox.network.subnet.is_none() || config.proxmox.bridge.is_none() {
        return false;
    }
    let Some(store) = store::open(config).await else {
        return false;
    };
    let proof = fence::load_proof(&store, &config.proxmox).await;
    proof.is_ok_and(|proof| proof.is_some())
}

/// How bad a gap in the guests' firewall is: leases fail where they must be fenced and nothing else
/// is known to fence them.
fn gap(proxmox: &Proxmox, proven: bool) -> Severity {
    match proxmox.config.network.fence {
        FencePolicy::Required if !proven => Severity::Error,
        FencePolicy::Required | FencePolicy::Warn => Severity::Warning,
    }
}
