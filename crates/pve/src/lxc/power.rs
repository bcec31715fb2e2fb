//! Starting, stopping and removing containers.

use std::time::Duration;

use http::Method;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::path::ApiPath;
use crate::upid::Upid;

/// How to remove a container. Disks that its configuration does not name are never touched: they
/// may be an operator's, of an older guest with the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destroy {
    /// Kill it first if it runs.
    pub force: bool,
    /// Remove it from backup, replication and high-availability jobs too.
    pub purge: bool,
}

impl Client {
    /// Starts a container.
    ///
    /// # Errors
    /// [`crate::Refusal::AlreadyRunning`]; see [`Error`].
    pub async fn start(&self, node: &NodeName, vmid: Vmid) -> Result<Upid, Error> {
        self.power(node, vmid, "start", Vec::new()).await
    }

    /// Kills a container at once.
    ///
    /// # Errors
    /// [`crate::Refusal::NotRunning`]; see [`Error`].
    pub async fn stop(&self, node: &NodeName, vmid: Vmid) -> Result<Upid, Error> {
        self.power(node, vmid, "stop", Vec::new()).await
    }

    /// Asks a container to shut down within `timeout` (whole seconds), and with `force_stop` kills
    /// it after that.
    ///
    /// # Errors
    /// [`crate::Refusal::NotRunning`]; see [`Error`].
    pub async fn shutdown(
        &self,
        node: &NodeName,
        vmid: Vmid,
        timeout: Duration,
        force_stop: bool,
    ) -> Result<Upid, Error> {
        let mut params = vec![("timeout".to_owned(), timeout.as_secs().to_string())];
        if force_stop {
            params.push(("forceStop".to_owned(), "1".to_owned()));
        }
        self.power(node, vmid, "shutdown", params).await
    }

    /// Shuts a container down and starts it again.
    ///
    /// # Errors
    /// [`crate::Refusal::NotRunning`]; see [`Error`].
    pub async fn reboot(&self, node: &NodeName, vmid: Vmid) -> Result<Upid, Error> {
        self.power(node, vmid, "reboot", Vec::new()).await
    }

    /// Removes a container with its disks. The number is free again when the task has ended.
    ///
    /// # Errors
    /// [`Error::is_missing`], [`crate::Refusal::Running`], [`crate::Refusal::Protected`]; see
    /// [`Error`].
    pub async fn destroy(&self, node: &NodeName, vmid: Vmid, how: Destroy) -> Result<Upid, Error> {
        let mut params = Vec::new();
        for (name, on) in [("force", how.force), ("purge", how.purge)] {
            if on {
                params.push((name.to_owned(), "1".to_owned()));
            }
        }
        self.call(Method::DELETE, ApiPath::lxc(node, vmid), params)
            .await
    }

    async fn power(
        &self,
        node: &NodeName,
        vmid: Vmid,
        action: &'static str,
        params: Vec<(String, String)>,
    ) -> Result<Upid, Error> {
        self.call(
            Method::POST,
            ApiPath::lxc(node, vmid).seg("status").seg(action),
            params,
        )
        .await
    }
}
