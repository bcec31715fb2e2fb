//! The fence around tenants, as commands for a root shell on the Proxmox host: a network of their
//! own, an nft table on its bridge, a security group, and how to undo all of it. [`script`] is what
//! `proxmox-api doctor --setup` prints behind the account's commands. `cargo xtask fence` cuts the
//! table out of that output and tests it, so there is no second copy.

mod bridge;
mod group;
mod host;
mod table;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::setup;
use crate::config::ProxmoxConfig;
pub(super) use host::{PIDS, PIDS_FILE};

/// The VNet that is proposed where `PVE_BRIDGE` names no bridge for tenants alone.
const OWN_VNET: &str = "i402net";
/// The plain bridge that is proposed as the other variant.
const OWN_BRIDGE: &str = "vmbr402";
/// The SDN zone of the VNet.
const ZONE: &str = "i402";
/// Networks that are not the internet: this host, private ones, carriers' own, link-local with the
/// clouds' metadata address, benchmarks, multicast and what is reserved.
pub(super) const NOT_INTERNET: [&str; 10] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
];
/// Ports on which mail servers accept mail: from other servers, and from their users.
const MAIL_PORTS: [u16; 3] = [25, 465, 587];

/// The kind of the tenants' bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BridgeKind {
    /// A VNet of the SDN, whose ports are isolated from each other.
    Vnet,
    /// A bridge in `/etc/network/interfaces`.
    Plain,
}

/// The values in the commands.
#[derive(Debug, Clone)]
struct FencePlan {
    kind: BridgeKind,
    bridge: String,
    subnet: Ipv4Net,
    gateway: Ipv4Addr,
    /// Name servers that are themselves behind the fence, and get a hole in it.
    private_dns: Vec<Ipv4Addr>,
    vlan: Option<u16>,
    group: String,
    ssh_source: Option<IpNet>,
    /// The host's own address, where it is a public one.
    own_address: Option<Ipv4Addr>,
    /// The command that lets the service use the bridge.
    grant: Option<String>,
    /// The command that lets it read whether the datacenter's firewall is on.
    datacenter_grant: String,
}

impl FencePlan {
    /// `None` without `PVE_NETWORK`.
    fn from_config(config: &ProxmoxConfig) -> Option<Self> {
        let network = &config.network;
        let (subnet, gateway) = (network.subnet?, network.gateway?);
        let bridge = tenants_bridge(config.bridge.as_deref());
        let kind = match is_vnet_name(bridge) && network.vlan.is_none() {
            true => BridgeKind::Vnet,
            false => BridgeKind::Plain,
        };
        let servers = network
            .nameservers
            .iter()
            .filter_map(|server| match server {
                IpAddr::V4(server) => Some(*server),
                IpAddr::V6(_) => None,
            });
        let planned = ProxmoxConfig {
            bridge: Some(bridge.to_owned()),
            ..config.clone()
        };
        Some(Self {
            kind,
            bridge: bridge.to_owned(),
            subnet,
            gateway,
            private_dns: servers
                .filter(|server| subnet.contains(server) || is_closed(*server))
                .collect(),
            vlan: network.vlan,
            group: network.group.clone(),
            ssh_source: network.ssh_source,
            own_address: own_address(&config.host),
            grant: setup::bridge_grant(&planned),
            datacenter_grant: setup::datacenter_grant(config),
        })
    }

    /// The host's interface on which it sees the tenants.
    fn device(&self) -> String {
        match self.vlan {
            Some(vlan) => format!("{}.{vlan}", self.bridge),
            None => self.bridge.clone(),
        }
    }

    /// The same network on the proposed bridge of the other kind.
    fn other(&self) -> Self {
        let (kind, bridge) = match self.kind {
            BridgeKind::Vnet => (BridgeKind::Plain, OWN_BRIDGE),
            BridgeKind::Plain => (BridgeKind::Vnet, OWN_VNET),
        };
        Self {
            kind,
            bridge: bridge.to_owned(),
            ..self.clone()
        }
    }

    /// The source of connections to the tenants' port 22, if it is an IPv4 network.
    fn ssh_source(&self) -> Option<Ipv4Net> {
        match self.ssh_source? {
            IpNet::V4(source) => Some(source),
            IpNet::V6(_) => None,
        }
    }

    /// Every IPv4 network that tenants may not reach.
    fn closed(&self) -> Vec<String> {
        let mut closed: Vec<String> = NOT_INTERNET.map(str::to_owned).into();
        let within = |wide: &str| {
            let wide: Option<Ipv4Net> = wide.parse().ok();
            wide.is_some_and(|wide| wide.contains(&self.subnet))
        };
        if !NOT_INTERNET.into_iter().any(within) {
            closed.push(self.subnet.to_string());
        }
        closed
    }
}

/// The bridge for tenants: `vmbr0` is by custom the host's own, and none is no bridge.
fn tenants_bridge(configured: Option<&str>) -> &str {
    configured
        .filter(|name| *name != "vmbr0")
        .unwrap_or(OWN_VNET)
}

/// Whether the SDN takes the name for a VNet. Names like `vmbr1` are left to plain bridges.
fn is_vnet_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|other| other.is_ascii_alphanumeric())
        && (2..=8).contains(&name.len())
        && !name.starts_with("vmbr")
}

fn is_closed(address: Ipv4Addr) -> bool {
    NOT_INTERNET.iter().any(|network| {
        let network: Option<Ipv4Net> = network.parse().ok();
        network.is_some_and(|network| network.contains(&address))
    })
}

fn own_address(host: &str) -> Option<Ipv4Addr> {
    let url: url::Url = host.parse().ok()?;
    let Some(url::Host::Ipv4(address)) = url.host() else {
        return None;
    };
    Some(address).filter(|address| !is_closed(*address))
}

/// Makes comments of lines, which are shown and not run.
fn commented(text: &str) -> String {
    let lines = text.lines().map(|line| match line {
        "" => "#\n".to_owned(),
        line => format!("#{line}\n"),
    });
    lines.collect()
}

/// The commands that fence tenants in; without `PVE_NETWORK`, how to begin.
pub fn script(config: &ProxmoxConfig) -> String {
    let Some(plan) = FencePlan::from_config(config) else {
        return MISSING.to_owned();
    };
    let steps = [
        bridge::step(&plan),
        table::step(&plan),
        group::step(&plan),
        group::datacenter(&plan),
        host::way_in(&plan),
        host::limits(),
        host::settings(&plan),
        host::undo(&plan),
    ];
    let heading = "\n\
        # The fence around tenants: docs/TENANTS.md says what each step closes and what none \
        does.\n\
        # On every node that takes containers, before the first lease. What begins with #COMMAND \
        is not run\n\
        # when this is run as a whole: read it first.\n";
    steps
        .into_iter()
        .fold(heading.to_owned(), |text, step| text + "\n" + &step)
}

const MISSING: &str = "
# 9. No fence: PVE_NETWORK is not set, or cannot be read (proxmox-api doctor says why)
# Tenants are root in containers that ask a DHCP server on PVE_BRIDGE for an address: they reach \
the host, its
# network, each other and mail servers. To begin, choose a network that is used nowhere here, \
such as
#PVE_NETWORK=10.64.0.0/20
# and run proxmox-api doctor --setup again: it then prints the bridge, the firewall and the \
group to go with it.
# docs/TENANTS.md says what they close.
";
