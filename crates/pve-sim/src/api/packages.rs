//! `GET /nodes/{node}/apt/versions`: the packages that matter to Proxmox.

use serde_json::{Value, json};

use super::MethodCall;
use crate::response::{ErrorResponse, HandlerResult};

/// Name, release and description of what is installed on a host that is up to date.
const PACKAGES: &[(&str, &str, &str)] = &[
    ("proxmox-ve", "9.2.0", "Proxmox Virtual Environment"),
    (
        "pve-manager",
        "9.2.11",
        "Proxmox Virtual Environment Management Tools",
    ),
    (
        "proxmox-default-kernel",
        "2.0.2",
        "Default Proxmox Kernel Image",
    ),
    (
        "proxmox-kernel-7.0",
        "7.0.14-11",
        "Latest Proxmox Kernel Image",
    ),
    (
        "corosync",
        "3.1.9-pve2",
        "cluster engine daemon and utilities",
    ),
    (
        "dnsmasq",
        "",
        "Small caching DNS proxy and DHCP/TFTP server - system daemon",
    ),
    (
        "libpve-access-control",
        "9.1.1",
        "Proxmox VE access control library",
    ),
    ("libpve-common-perl", "9.2.1", "Proxmox VE base library"),
    (
        "libpve-guest-common-perl",
        "6.1.2",
        "Proxmox VE common guest-related modules",
    ),
    (
        "libpve-http-server-perl",
        "6.1.0",
        "Proxmox Asynchronous HTTP Server Implementation",
    ),
    (
        "libpve-network-perl",
        "1.3.0",
        "Proxmox VE's SDN (Software Defined Network) stack",
    ),
    (
        "libpve-storage-perl",
        "9.1.7",
        "Proxmox VE storage management library",
    ),
    ("lxc-pve", "7.0.0-2", "Linux containers userspace tools"),
    ("lxcfs", "7.0.0-pve1", "LXC userspace filesystem"),
    (
        "proxmox-firewall",
        "1.2.3",
        "Proxmox's nftables-based firewall written in rust",
    ),
    ("proxmox-termproxy", "2.1.0", "Proxmox Terminal Proxy"),
    (
        "pve-cluster",
        "9.1.3",
        "\"pmxcfs\" distributed cluster filesystem for Proxmox VE",
    ),
    (
        "pve-container",
        "6.1.13",
        "Proxmox VE Container management tool",
    ),
    ("pve-firewall", "6.0.4", "Proxmox VE Firewall"),
    ("pve-ha-manager", "5.2.0", "Proxmox VE HA Manager"),
    ("qemu-server", "9.2.6", "Qemu Server Tools"),
    (
        "zfsutils-linux",
        "2.4.1-pve1",
        "command-line tools to manage ZFS filesystems",
    ),
];

/// The last release of pve-container whose consoles refuse API tokens.
const BEFORE_TOKENS: &str = "6.1.2";

pub(super) fn versions(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let node = world
        .node(&call.node)
        .ok_or_else(|| ErrorResponse::died("no such node"))?;
    let changed = world.packages.get(&node.name);
    let more = changed
        .into_iter()
        .flatten()
        .filter(|(name, _)| !PACKAGES.iter().any(|(known, ..)| known == name))
        .map(|(name, version)| (name.as_str(), version.as_str(), "Proxmox Kernel Image"));
    let rows = PACKAGES.iter().copied().chain(more);
    let list: Value = rows
        .map(|(name, newest, title)| {
            let mut installed = newest;
            if name == "pve-container" && !call.cluster.config.console_tokens {
                installed = BEFORE_TOKENS;
            }
            if let Some(version) = changed.and_then(|changed| changed.get(name)) {
                installed = version;
            }
            let mut row = json!({
                "Package": name, "Title": title, "Description": title, "Origin": "Proxmox",
                "Arch": "amd64", "Section": "admin", "Priority": "optional",
                "Version": if newest.is_empty() { "2.91-1" } else { newest },
                "CurrentState": if installed.is_empty() { "NotInstalled" } else { "Installed" },
            });
            if !installed.is_empty() {
                row["OldVersion"] = json!(installed);
            }
            match name {
                "proxmox-ve" => row["RunningKernel"] = json!(node.kernel),
                "pve-manager" => {
                    row["ManagerVersion"] = json!(format!("{installed}/{}", super::index::COMMIT));
                }
                _ => {}
            }
            row
        })
        .collect();
    Ok(list.into())
}
