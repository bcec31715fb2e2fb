//! Virtual networks of the cluster's SDN. Each belongs to a zone, and the path of the rights on it
//! holds the zone's name.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::path::ApiPath;

/// A virtual network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Vnet {
    /// Its name, which is also that of its bridge on the nodes.
    pub vnet: String,
    /// Its zone.
    #[serde(default)]
    pub zone: String,
}

impl Client {
    /// The virtual networks on which the account has `SDN.Audit` or `SDN.Allocate` (`GET
    /// /cluster/sdn/vnets`); `SDN.Use` alone shows none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn vnets(&self) -> Result<Vec<Vnet>, Error> {
        self.get(ApiPath::new("/cluster/sdn/vnets"), Vec::new())
            .await
    }
}
