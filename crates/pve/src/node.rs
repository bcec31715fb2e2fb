//! Requests about one node: its load, its storages and their content.

use std::net::IpAddr;

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::NodeName;
use crate::lenient;
use crate::path::ApiPath;

/// Whether a node answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It takes part in the cluster.
    Online,
    /// It does not.
    Offline,
    /// Not known.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A node in the list of nodes. The figures need `Sys.Audit` on it.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// The name.
    pub node: NodeName,
    /// Online or not.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: NodeState,
    /// The fraction of all processors in use.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub cpu: Option<f64>,
    /// Processors.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxcpu: Option<u64>,
    /// Memory in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub mem: Option<u64>,
    /// Memory, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxmem: Option<u64>,
    /// Root file system in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub disk: Option<u64>,
    /// Root file system, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxdisk: Option<u64>,
    /// Seconds since boot.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub uptime: Option<u64>,
}

/// The load of a node (`GET /nodes/{node}/status`).
#[derive(Clone, Debug, Deserialize)]
pub struct NodeStatus {
    /// Seconds since boot.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub uptime: Option<u64>,
    /// Over 1, 5 and 15 minutes.
    #[serde(default, deserialize_with = "lenient::f64_list")]
    pub loadavg: Vec<f64>,
    /// The fraction of all processors in use, 0 to 1.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub cpu: Option<f64>,
    /// The fraction of time spent waiting for disks.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub wait: Option<f64>,
    /// Main memory.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub memory: MemoryUse,
    /// Swap space.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub swap: MemoryUse,
    /// The root file system.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub rootfs: DiskUse,
    /// The processors.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub cpuinfo: CpuInfo,
    /// The release of the management package.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub pveversion: Option<String>,
    /// The kernel.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub kversion: Option<String>,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct MemoryUse {
    /// All of it.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub total: Option<u64>,
    /// In use.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub used: Option<u64>,
    /// Not in use at all.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub free: Option<u64>,
    /// What programs could have, caches included.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub available: Option<u64>,
}

/// A file system, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct DiskUse {
    /// All of it.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub total: Option<u64>,
    /// In use.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub used: Option<u64>,
    /// Left for ordinary users.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub avail: Option<u64>,
    /// Left.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub free: Option<u64>,
}

/// Processors.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct CpuInfo {
    /// The product's name.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub model: Option<String>,
    /// Logical processors.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub cpus: Option<u64>,
    /// Cores, over all sockets.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub cores: Option<u64>,
    /// Sockets.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub sockets: Option<u64>,
}

/// A storage as one node sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct Storage {
    /// The name.
    pub storage: String,
    /// The kind, such as `lvmthin` or `dir`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What it may hold: `rootdir` for containers, `vztmpl` for templates.
    #[serde(default, deserialize_with = "lenient::comma_list")]
    pub content: Vec<String>,
    /// It can be used now.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub active: bool,
    /// It is not switched off.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub enabled: Option<bool>,
    /// All nodes see the same.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub shared: bool,
    /// Bytes in all.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub total: Option<u64>,
    /// Bytes in use.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub used: Option<u64>,
    /// Bytes left.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub avail: Option<u64>,
}

/// A thing in a storage, such as a template.
#[derive(Clone, Debug, Deserialize)]
pub struct Volume {
    /// Its full name, such as `local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst`.
    pub volid: String,
    /// `vztmpl`, `rootdir` and so on.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub content: Option<String>,
    /// The file format, such as `tzst`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub format: Option<String>,
    /// Bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub size: Option<u64>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub ctime: Option<u64>,
}

/// A bridge of a node, to which a container may be attached.
#[derive(Clone, Debug, Deserialize)]
pub struct Bridge {
    /// Its name, such as `vmbr0`.
    pub iface: String,
    /// `bridge`, `OVSBridge`, or `vnet` for one of the SDN.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// It is up.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub active: Option<bool>,
    /// The host's own IPv4 address on it, with its prefix.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub cidr: Option<String>,
    /// The same for IPv6.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub cidr6: Option<String>,
    /// The host's own IPv4 address, as older releases write it.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub address: Option<String>,
    /// The same for IPv6.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub address6: Option<String>,
    /// The host's router on it.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub gateway: Option<String>,
    /// The ports that belong to it, such as a network card; none for an internal bridge.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub bridge_ports: Option<String>,
}

impl Bridge {
    /// The host's own addresses on it. One with its router on it is that of the operator's network,
    /// which containers on the bridge are then part of. VNets show none.
    pub fn own_addresses(&self) -> Vec<IpAddr> {
        let texts = [&self.cidr, &self.address, &self.cidr6, &self.address6];
        let mut found: Vec<IpAddr> = Vec::new();
        for text in texts.into_iter().flatten() {
            let address = text.split('/').next().unwrap_or_default();
            match address.parse() {
                Ok(address) if !found.contains(&address) => found.push(address),
                _ => {}
            }
        }
        found
    }
}

impl Storage {
    /// Whether things can be read from it and put onto it now.
    pub fn is_usable(&self) -> bool {
        self.active && self.enabled != Some(false)
    }

    /// Whether it may hold this kind of content, such as `rootdir`.
    pub fn holds(&self, content: &str) -> bool {
        self.content.iter().any(|kind| kind == content)
    }
}

impl Client {
    /// All nodes of the cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn nodes(&self) -> Result<Vec<Node>, Error> {
        self.get(ApiPath::new("/nodes"), Vec::new()).await
    }

    /// The load of a node; needs `Sys.Audit` on it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn node_status(&self, node: &NodeName) -> Result<NodeStatus, Error> {
        self.get(ApiPath::new("/nodes").seg(node).seg("status"), Vec::new())
            .await
    }

    /// The bridges of a node that we may use (`GET /nodes/{node}/network`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn bridges(&self, node: &NodeName) -> Result<Vec<Bridge>, Error> {
        let params = vec![("type".to_owned(), "any_bridge".to_owned())];
        self.get(ApiPath::new("/nodes").seg(node).seg("network"), params)
            .await
    }

    /// The enabled storages of a node, optionally those for one kind of content.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn storages(
        &self,
        node: &NodeName,
        content: Option<&str>,
    ) -> Result<Vec<Storage>, Error> {
        let mut params = vec![("enabled".to_owned(), "1".to_owned())];
        params.extend(content.map(|kind| ("content".to_owned(), kind.to_owned())));
        self.get(ApiPath::new("/nodes").seg(node).seg("storage"), params)
            .await
    }

    /// What a storage holds of one kind of content, such as `vztmpl`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn storage_content(
        &self,
        node: &NodeName,
        storage: &str,
        content: &str,
    ) -> Result<Vec<Volume>, Error> {
        let path = ApiPath::new("/nodes")
            .seg(node)
            .seg("storage")
            .seg(storage)
            .seg("content");
        self.get(path, vec![("content".to_owned(), content.to_owned())])
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nested_shape_of_a_node_status_is_read() {
        let status: NodeStatus = serde_json::from_value(serde_json::json!({
            "uptime": 1000, "loadavg": ["0.10", "0.2", 0.3], "cpu": 0.25, "wait": "0",
            "memory": {"total": 8_000_000_000_u64, "used": "2000000000", "free": 1, "available": 6_000_000_000_u64},
            "rootfs": {"total": 100, "used": 40, "avail": 55, "free": 60},
            "cpuinfo": {"model": "x", "cores": 4, "cpus": "8", "sockets": 1, "mhz": "2400.0"},
            "ksm": {"shared": 0}, "pveversion": "pve-manager/9.0.11/x", "new": [1],
        }))
        .unwrap();
        assert_eq!(status.loadavg, [0.1, 0.2, 0.3]);
        assert_eq!(status.memory.used, Some(2_000_000_000));
        assert_eq!(status.rootfs.avail, Some(55));
        assert_eq!(status.cpuinfo.cpus, Some(8));
        assert_eq!(status.swap, MemoryUse::default());
    }

    #[test]
    fn a_node_without_audit_rights_is_read() {
        let node: Node =
            serde_json::from_str(r#"{"node":"pve","status":"odd","id":"node/pve"}"#).unwrap();
        assert_eq!(node.status, NodeState::Unknown);
        assert_eq!(node.maxmem, None);
    }

    #[test]
    fn a_bridge_shows_the_hosts_own_addresses_once_each() {
        let bridge: Bridge = serde_json::from_value(serde_json::json!({
            "iface": "vmbr0", "type": "bridge", "active": 1, "address": "192.168.1.10",
            "cidr": "192.168.1.10/24", "cidr6": "fd00::2/64", "gateway": "192.168.1.1",
        }))
        .unwrap();
        let expected: [IpAddr; 2] = ["192.168.1.10".parse().unwrap(), "fd00::2".parse().unwrap()];
        assert_eq!(bridge.own_addresses(), expected);
        let vnet: Bridge =
            serde_json::from_value(serde_json::json!({"iface": "i402net", "type": "vnet"}))
                .unwrap();
        assert!(vnet.own_addresses().is_empty());
    }
}
