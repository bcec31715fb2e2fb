//! The live state of containers.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::path::ApiPath;

/// Whether a container runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// It does.
    Running,
    /// It does not.
    Stopped,
    /// Proxmox does not know, or not yet.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ContainerState {
    /// Proxmox's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }
}

/// The live state of one container. Byte counts begin at zero at every start, also one from inside,
/// and those of the network at every change of its MAC address.
#[derive(Clone, Debug, Deserialize)]
pub struct ContainerStatus {
    /// The number.
    pub vmid: Vmid,
    /// Running or not.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: ContainerState,
    /// The host name.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub name: Option<String>,
    /// The operation that holds the container, such as `create` or `destroyed`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub lock: Option<String>,
    /// The tags.
    #[serde(default, deserialize_with = "lenient::comma_list")]
    pub tags: Vec<String>,
    /// A template cannot be started.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub template: bool,
    /// Processors it may use.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub cpus: Option<f64>,
    /// The fraction of those in use.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub cpu: Option<f64>,
    /// Memory in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub mem: Option<u64>,
    /// Memory limit, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxmem: Option<u64>,
    /// Swap in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub swap: Option<u64>,
    /// Swap limit, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxswap: Option<u64>,
    /// Root disk in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub disk: Option<u64>,
    /// Root disk size, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxdisk: Option<u64>,
    /// Bytes received.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub netin: Option<u64>,
    /// Bytes sent.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub netout: Option<u64>,
    /// Bytes read from disk.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub diskread: Option<u64>,
    /// Bytes written to disk.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub diskwrite: Option<u64>,
    /// Seconds since start.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub uptime: Option<u64>,
    /// The process id of its init on the node, while it runs.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub pid: Option<u64>,
    /// Pressure: the share of time, in percent, in which some of its processes waited for a
    /// processor. Only since PVE 9, and while it runs, like the others.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub pressurecpusome: Option<f64>,
    /// In which all of them waited for a processor.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub pressurecpufull: Option<f64>,
    /// In which some of them waited for disks.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub pressureiosome: Option<f64>,
    /// In which all of them waited for disks.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub pressureiofull: Option<f64>,
    /// In which some of them waited for memory.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub pressurememorysome: Option<f64>,
    /// In which all of them waited for memory.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub pressurememoryfull: Option<f64>,
}

impl ContainerStatus {
    /// True if it runs.
    pub fn is_running(&self) -> bool {
        self.status == ContainerState::Running
    }
}

impl Client {
    /// All containers of a node that we may audit, live, in one request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn containers(&self, node: &NodeName) -> Result<Vec<ContainerStatus>, Error> {
        self.get(ApiPath::new("/nodes").seg(node).seg("lxc"), Vec::new())
            .await
    }

    /// The live state of one container.
    ///
    /// # Errors
    /// [`Error::is_missing`] when it does not exist; see there for accounts whose rights come from
    /// a pool.
    pub async fn container(&self, node: &NodeName, vmid: Vmid) -> Result<ContainerStatus, Error> {
        self.get(
            ApiPath::lxc(node, vmid).seg("status").seg("current"),
            Vec::new(),
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_read_from_current_and_from_older_releases() {
        let current: ContainerStatus = serde_json::from_value(serde_json::json!({
            "vmid": 101, "type": "lxc", "status": "running", "name": "box", "cpus": 2, "cpu": 0.01,
            "mem": 5_000_000_000_u64, "maxmem": 8_589_934_592_u64, "uptime": 12, "pid": 4242,
            "pressurecpusome": "0.00", "pressureiofull": 12.5, "ha": {"managed": 0}, "tags": "a;b",
        }))
        .unwrap();
        assert!(current.is_running());
        assert_eq!(
            (current.pid, current.maxmem),
            (Some(4242), Some(8_589_934_592))
        );
        assert_eq!(current.tags, ["a", "b"]);
        assert_eq!(
            (current.pressurecpusome, current.pressureiofull),
            (Some(0.0), Some(12.5))
        );

        let older: ContainerStatus = serde_json::from_value(serde_json::json!({
            "vmid": "101", "status": "stopped", "cpus": "0.5", "template": "", "lock": "create",
        }))
        .unwrap();
        assert_eq!(older.status, ContainerState::Stopped);
        assert_eq!(older.cpus, Some(0.5));
        assert_eq!(older.lock.as_deref(), Some("create"));
        assert!(!older.template);
    }
}
