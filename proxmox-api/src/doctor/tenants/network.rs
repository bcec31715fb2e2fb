//! Whether the network for tenants is large enough, used by tenants only, and on a bridge of its
//! own.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use pve::{Bridge, NodeName};

use super::{Finding, SETUP};
use crate::proxmox::Proxmox;

const CHECK: &str = "tenants.network";
/// An address rests an hour after its lease. With fewer than this, short leases use them up.
const FEW: usize = 250;

/// Examines the number of addresses.
pub(super) fn room(proxmox: &Proxmox, subnet: Ipv4Net) -> Finding {
    let range = &proxmox.config.vmids;
    let numbers = usize::try_from(range.end() - range.start())
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    // All addresses but the gateway's.
    let addresses = subnet.hosts().take(numbers.saturating_add(1)).count() - 1;
    let expected = format!("PVE_NETWORK={subnet} has addresses for PVE_VMID_RANGE");
    if addresses < numbers && addresses < FEW {
        let found = format!(
            "{addresses} addresses for {numbers} numbers; each rests an hour after its lease"
        );
        let mend = format!(
            "PVE_NETWORK={}/20  # or another larger one, and the bridge with it",
            subnet.addr()
        );
        Finding::warning(CHECK, &expected, found).mend(mend)
    } else {
        Finding::ok(CHECK, &expected, format!("{addresses} or more"))
    }
}

/// Whether the network of `GUEST_SSH_SOURCE` can reach a container.
pub(super) fn way_in(proxmox: &Proxmox, subnet: Ipv4Net) -> Option<Finding> {
    let network = &proxmox.config.network;
    let source = network.ssh_source?;
    let expected = format!("GUEST_SSH_SOURCE={source} reaches containers");
    let found = match source {
        IpNet::V6(_) => "it is of IPv6, which they do not have",
        IpNet::V4(source) if source.prefix_len() < 32 && source.contains(&subnet) => {
            "it holds PVE_NETWORK itself, so that every tenant reaches every other"
        }
        IpNet::V4(source) if subnet.contains(&source) && network.gateway != Some(source.addr()) => {
            "it is in PVE_NETWORK, where each is kept apart from all others"
        }
        IpNet::V4(_) => return None,
    };
    let gateway = network
        .gateway
        .map(|gateway| gateway.to_string())
        .unwrap_or_default();
    Some(
        Finding::warning(CHECK, &expected, found)
            .mend("GUEST_SSH_SOURCE=ADDRESS  # in the host's own network, of the proxy alone")
            .mend(format!(
                "GUEST_SSH_SOURCE={gateway}  # where the proxy runs on the host itself"
            )),
    )
}

/// Examines one node's bridges.
pub(super) async fn examine(
    proxmox: &Proxmox,
    node: &NodeName,
    bridge: &str,
    subnet: Ipv4Net,
) -> Option<Finding> {
    let expected = format!("{subnet} on {node} is behind a bridge of its own");
    let bridges = match proxmox.client.bridges(node).await {
        Ok(bridges) => bridges,
        Err(error) => return Some(Finding::unanswered(CHECK, &expected, &error)),
    };
    let ours = bridges.iter().find(|one| one.iface == bridge)?;
    let network = &proxmox.config.network;
    let own: Vec<IpAddr> = ours.own_addresses();
    let strange = |address: &&IpAddr| match address {
        IpAddr::V4(address) => !subnet.contains(address),
        IpAddr::V6(_) => true,
    };
    if let Some(address) = own.iter().find(strange) {
        let found = format!(
            "{bridge} carries the host's own address {address}: tenants would be in its network"
        );
        return Some(
            Finding::error(CHECK, &expected, found)
                .mend("PVE_BRIDGE=i402net")
                .mend(SETUP),
        );
    }
    if let Some(other) = bridges
        .iter()
        .find(|one| one.iface != bridge && overlaps(one, subnet))
    {
        let found = format!(
            "{} carries {} already",
            other.iface,
            other
                .cidr
                .as_deref()
                .or(other.address.as_deref())
                .unwrap_or_default()
        );
        return Some(
            Finding::error(CHECK, &expected, found)
                .mend("PVE_NETWORK=10.x.y.0/20  # one that is used nowhere here")
                .mend(SETUP),
        );
    }
    let routed = network.gateway.map(IpAddr::V4);
    // A VNet shows no address of the host.
    if let (Some(address), false) = (own.first(), own.iter().any(|one| Some(*one) == routed)) {
        let found = format!("the host is {address} there, and PVE_GATEWAY is another");
        return Some(
            Finding::error(CHECK, &expected, found).mend(format!("PVE_GATEWAY={address}")),
        );
    }
    Some(Finding::ok(CHECK, &expected, bridge))
}

/// Whether the host's own network on a bridge has addresses of the tenants'.
fn overlaps(bridge: &Bridge, subnet: Ipv4Net) -> bool {
    let network: Option<Ipv4Net> = bridge.cidr.as_deref().and_then(|cidr| cidr.parse().ok());
    match network {
        Some(network) => network.contains(&subnet.addr()) || subnet.contains(&network.network()),
        None => bridge.own_addresses().iter().any(|address| match address {
            IpAddr::V4(address) => subnet.contains(address),
            IpAddr::V6(_) => false,
        }),
    }
}
