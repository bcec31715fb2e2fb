//! The answers of `GET /stats/node` and `GET /stats/lxc`.

use serde::{Deserialize, Serialize};

/// The answer of `GET /stats/node`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeStats {
    /// The nodes that leases are placed on.
    pub nodes: Vec<NodeUsage>,
}

/// How busy a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeUsage {
    /// The node's name.
    pub node: String,
    /// Whether it answers.
    pub online: bool,
    /// Share of the processor in use, from 0 to 1. This and the other figures are absent where Proxmox does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Number of logical processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Memory in use, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<u64>,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total: Option<u64>,
    /// Root disk in use, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_used: Option<u64>,
    /// Root disk, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_total: Option<u64>,
    /// Seconds since it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<u64>,
}

/// The answer of `GET /stats/lxc`: counts for everyone, containers for their owner only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LxcStats {
    /// Number of leased containers.
    pub total: u32,
    /// How many of them are running.
    pub running: u32,
    /// Those of the session's wallet; empty without a session.
    #[serde(default)]
    pub containers: Vec<ContainerStats>,
}

/// How busy a container is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ContainerStats {
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// Its name.
    pub hostname: String,
    /// The node it is on.
    pub node: String,
    /// What Proxmox says of it, such as `running`.
    pub status: String,
    /// Share of its cores in use, from 0 to 1.
    pub cpu: f64,
    /// Memory in use, in bytes.
    pub memory_used: u64,
    /// Memory, in bytes.
    pub memory_total: u64,
    /// Disk in use, in bytes.
    pub disk_used: u64,
    /// Disk, in bytes.
    pub disk_total: u64,
    /// Bytes received since its start.
    pub network_in: u64,
    /// Bytes sent since its start.
    pub network_out: u64,
    /// Seconds since it was started.
    pub uptime_seconds: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn usage_keeps_its_names_and_counts_need_no_owner() {
        let node = json!({"nodes": [{
            "node": "pve1", "online": true, "cpu": 0.25, "cores": 8, "memoryUsed": 1, "memoryTotal": 2,
            "diskUsed": 3, "diskTotal": 4, "uptimeSeconds": 5,
        }]});
        assert_eq!(
            to_value(from_value::<NodeStats>(node.clone()).unwrap()).unwrap(),
            node
        );

        let counts: LxcStats = from_value(json!({"total": 3, "running": 2})).unwrap();
        assert_eq!(
            to_value(counts).unwrap(),
            json!({"total": 3, "running": 2, "containers": []})
        );

        let own = json!({"total": 1, "running": 1, "containers": [{
            "ctid": 7, "hostname": "web", "node": "pve1", "status": "running", "cpu": 0.5, "memoryUsed": 1,
            "memoryTotal": 2, "diskUsed": 3, "diskTotal": 4, "networkIn": 5, "networkOut": 6, "uptimeSeconds": 7,
        }]});
        assert_eq!(
            to_value(from_value::<LxcStats>(own.clone()).unwrap()).unwrap(),
            own
        );
    }
}
