//! Makes sure that a new container answers: only a container that answers is settled for.

use std::net::IpAddr;
use std::time::Duration;

use pve::{ExecRequest, NodeName, Vmid};
use tokio::time::Instant;

use crate::{
    error::ApiError,
    lease::container::{address::address, start::unresponsive},
    state::App,
};

/// How long an address is waited for before the container is asked to run a command instead.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(12);
/// Makes sure that the container answers: it runs and, where it has a network, has an address or
/// runs a command. The address, where there is one.
///
/// # Errors
/// It does not answer in time.
pub async fn probe(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    deadline: Instant,
) -> Result<Option<IpAddr>, ApiError> {
    if !app.proxmox.client.container(node, vmid).await?.is_running() {
        return Err(unresponsive());
    }
    if app.proxmox.config.bridge.is_none() {
        return Ok(None);
    }
    let until = deadline.min(Instant::now() + ADDRESS_TIMEOUT);
    if let Some(address) = address(app, node, vmid, until).await {
        return Ok(Some(address));
    }
    let run = app
        .proxmox
        .consoles
        .exec(node, vmid, ExecRequest::new("true"), None)
        .await;
    match run {
        Ok(outcome) if outcome.exit_code == 0 => Ok(None),
        Ok(outcome) => {
            tracing::error!(
                vmid = vmid.get(),
                exit_code = outcome.exit_code,
                "the new container runs the command `true` without success"
            );
            Err(unresponsive())
        }
        Err(error) => {
            tracing::error!(vmid = vmid.get(), %error, "the new container has no address and runs no command");
            Err(unresponsive())
        }
    }
}
