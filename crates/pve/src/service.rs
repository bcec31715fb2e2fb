//! The state of a node's own services, such as its firewall.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::NodeName;
use crate::lenient;
use crate::path::ApiPath;

/// The state of a service, in systemd's words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServiceState {
    /// The name, such as `pve-firewall`.
    #[serde(default)]
    pub service: String,
    /// The finer state: `running`, `dead`, `exited`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub state: Option<String>,
    /// `active`, `inactive` or `failed`; absent before PVE 7.
    #[serde(
        default,
        rename = "active-state",
        deserialize_with = "lenient::opt_text"
    )]
    pub active_state: Option<String>,
    /// `enabled`, `disabled`, or `not-found` where it is not installed.
    #[serde(default, rename = "unit-state", deserialize_with = "lenient::opt_text")]
    pub unit_state: Option<String>,
}

impl ServiceState {
    /// True if it runs now.
    pub fn is_running(&self) -> bool {
        self.state.as_deref() == Some("running")
    }
}

impl Client {
    /// The state of a service of a node (`GET /nodes/{node}/services/{service}/state`); needs
    /// `Sys.Audit` on the node. Only services that Proxmox lists are known: `pve-firewall`, and
    /// `proxmox-firewall`, which does the work where nftables is chosen.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn service_state(
        &self,
        node: &NodeName,
        service: &str,
    ) -> Result<ServiceState, Error> {
        let path = ApiPath::new("/nodes")
            .seg(node)
            .seg("services")
            .seg(service)
            .seg("state");
        self.get(path, Vec::new()).await
    }
}
