//! The index of templates that a node can download.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::NodeName;
use crate::path::ApiPath;

/// A template in the index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Appliance {
    /// The file's name, as `pveam download` takes it.
    pub template: String,
    /// `system` for plain distributions, `turnkeylinux`, `mail`.
    #[serde(default)]
    pub section: String,
}

impl Client {
    /// The node's copy of the index (`GET /nodes/{node}/aplinfo`); any account may ask. It is as
    /// old as the last `pveam update`, which Proxmox runs every day.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn appliances(&self, node: &NodeName) -> Result<Vec<Appliance>, Error> {
        self.get(ApiPath::new("/nodes").seg(node).seg("aplinfo"), Vec::new())
            .await
    }
}
