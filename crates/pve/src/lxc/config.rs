//! The configuration of a container, as stored.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::path::ApiPath;

/// The configuration of a container.
#[derive(Clone, Debug, Deserialize)]
pub struct ContainerConfig {
    /// A checksum that changes with the configuration.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub digest: Option<String>,
    /// The host name.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub hostname: Option<String>,
    /// The operator's note, which ends with a line break.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub description: Option<String>,
    /// Processor cores.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub cores: Option<u64>,
    /// Memory, MiB.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub memory: Option<u64>,
    /// Swap, MiB.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub swap: Option<u64>,
    /// The root disk, such as `local-lvm:vm-101-disk-0,size=4G`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub rootfs: Option<String>,
    /// The options, such as `nesting=1`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub features: Option<String>,
    /// What a console shows: `shell`, `tty` or `console`; Proxmox takes `tty` when absent.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub cmode: Option<String>,
    /// The operation that holds the container.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub lock: Option<String>,
    /// The tags.
    #[serde(default, deserialize_with = "lenient::comma_list")]
    pub tags: Vec<String>,
    /// Root in the container is an ordinary user on the host.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub unprivileged: bool,
    /// It starts with the node.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub onboot: bool,
    /// It cannot be removed.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub protection: bool,
    /// A template cannot be started.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub template: bool,
    /// Everything else, `net0` among it.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl ContainerConfig {
    /// The hardware address of the first network interface.
    pub fn hwaddr(&self) -> Option<&str> {
        self.property("net0", "hwaddr")
    }

    /// The value of one part of a property string, such as `ip` of `net0`.
    pub fn property(&self, key: &str, part: &str) -> Option<&str> {
        let text = self.other.get(key)?.as_str()?;
        text.split(',').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == part).then_some(value)
        })
    }
}

impl Client {
    /// The configuration of a container.
    ///
    /// # Errors
    /// [`Error::is_missing`] when it does not exist; see [`Error`].
    pub async fn config(&self, node: &NodeName, vmid: Vmid) -> Result<ContainerConfig, Error> {
        self.get(ApiPath::lxc(node, vmid).seg("config"), Vec::new())
            .await
    }

    /// Changes parts of a configuration. Takes effect at once where Proxmox can do that, else at
    /// the next start.
    ///
    /// # Errors
    /// See [`Error`]; [`crate::Refusal::Locked`] while another operation holds the container.
    pub async fn update_config(
        &self,
        node: &NodeName,
        vmid: Vmid,
        changes: &[(&str, &str)],
    ) -> Result<(), Error> {
        let params = changes
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        self.call::<serde::de::IgnoredAny>(
            Method::PUT,
            ApiPath::lxc(node, vmid).seg("config"),
            params,
        )
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_with_its_property_strings() {
        let config: ContainerConfig = serde_json::from_value(serde_json::json!({
            "digest": "abc", "hostname": "box", "cores": 1, "memory": "512", "unprivileged": 1, "cpulimit": "0.5",
            "net0": "name=eth0,bridge=vmbr0,ip=10.0.0.5/24,firewall=1", "description": "{}\n", "cmode": "shell",
        }))
        .unwrap();
        assert_eq!(config.memory, Some(512));
        assert!(config.unprivileged && !config.onboot);
        assert_eq!(config.property("net0", "ip"), Some("10.0.0.5/24"));
        assert_eq!(config.property("net0", "gw"), None);
        assert_eq!(config.property("net1", "ip"), None);
    }
}
