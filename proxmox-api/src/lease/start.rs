//! Starts a container and makes sure that it answers: only a container that answers is settled for.

use std::net::IpAddr;
use std::time::Duration;

use api_types::ErrorCode;
use pve::{ContainerConfig, ExecRequest, NodeName, Refusal, Vmid, WaitOptions, address_of};
use tokio::time::{Instant, sleep};

use super::halt;
use crate::{
    error::ApiError,
    state::App,
    store::{Lease, StoreError},
};

/// How long an address is waited for before the container is asked to run a command instead.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(12);
/// How long an address that comes late is waited for.
const LATE_ADDRESS_TIMEOUT: Duration = Duration::from_secs(120);
const LOOK_FIRST: Duration = Duration::from_millis(40);
const LOOK_MOST: Duration = Duration::from_secs(1);
/// How long a start of unknown outcome is watched. Starts take a few seconds.
const START_PATIENCE: Duration = Duration::from_secs(20);

fn dead() -> ApiError {
    let message = "The container was made but does not answer; nothing was charged.";
    ApiError::new(ErrorCode::ProvisioningFailed, message).retry_after(10)
}

/// Starts the container, if it does not run.
///
/// # Errors
/// It does not run in the end.
pub async fn start(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    deadline: Instant,
) -> Result<(), ApiError> {
    let client = &app.proxmox.client;
    match client.start(node, vmid).await {
        Ok(upid) => {
            let left = deadline.saturating_duration_since(Instant::now());
            match client.wait(&upid, WaitOptions::within(left)).await {
                // High availability starts it seconds after it was asked to.
                Ok(outcome) if outcome.is_success() && halt::is_ha(&upid) => {
                    return runs(app, node, vmid, deadline, halt::HA_TIMEOUT).await;
                }
                Ok(outcome) if outcome.is_success() => return Ok(()),
                Ok(outcome) => tracing::error!(vmid = vmid.get(), %outcome, "a start failed"),
                Err(error) => {
                    tracing::error!(vmid = vmid.get(), %error, "a start was not seen to its end")
                }
            }
        }
        Err(error) if error.refusal() == Some(&Refusal::AlreadyRunning) => return Ok(()),
        // It may have been executed all the same; a second start does no harm.
        Err(error) if error.may_have_executed() => {
            tracing::warn!(
                vmid = vmid.get(),
                cause = error.safe_text(),
                "a start of unknown outcome"
            );
            return runs(app, node, vmid, deadline, START_PATIENCE).await;
        }
        Err(error) => return Err(error.into()),
    }
    Err(dead())
}

/// Looks whether the container runs, and starts it once more if not.
async fn runs(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    deadline: Instant,
    patience: Duration,
) -> Result<(), ApiError> {
    let client = &app.proxmox.client;
    let mut again = true;
    let deadline = deadline.min(Instant::now() + patience);
    while Instant::now() < deadline {
        sleep(Duration::from_millis(500)).await;
        match client.container(node, vmid).await {
            Ok(status) if status.is_running() => return Ok(()),
            Ok(status) if status.lock.is_none() && again => {
                again = false;
                if let Err(error) = client.start(node, vmid).await {
                    tracing::warn!(
                        vmid = vmid.get(),
                        cause = error.safe_text(),
                        "a second start failed"
                    );
                }
            }
            _ => {}
        }
    }
    Err(dead())
}

/// Makes sure that the container answers: it runs and, where it has a network, has an address or runs a command. The
/// address, where there is one.
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
        return Err(dead());
    }
    if app.proxmox.config.bridge.is_none() {
        return Ok(None);
    }
    let until = deadline.min(Instant::now() + ADDRESS_PATIENCE);
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
                "`true` failed"
            );
            Err(dead())
        }
        Err(error) => {
            tracing::error!(vmid = vmid.get(), %error, "a container has no address and runs no command");
            Err(dead())
        }
    }
}

/// The address at which others reach the container, once there is one.
pub async fn address(app: &App, node: &NodeName, vmid: Vmid, until: Instant) -> Option<IpAddr> {
    let mut looks = app.proxmox.addresses.start(LOOK_FIRST, LOOK_MOST);
    loop {
        let client = &app.proxmox.client;
        let interfaces = client.interfaces(node, vmid).await.unwrap_or_default();
        let mut found = address_of(&interfaces, None);
        // The customer has perhaps renamed it; else there is nothing to ask for.
        let others = || interfaces.iter().any(|one| !one.reachable().is_empty());
        if found.is_none() && others() {
            let config = client.config(node, vmid).await.ok();
            let hwaddr = config.as_ref().and_then(ContainerConfig::hwaddr);
            found = address_of(&interfaces, hwaddr);
        }
        if found.is_some() {
            looks.done();
            return found;
        }
        if Instant::now() >= until {
            return None;
        }
        sleep(looks.next_pause()).await;
    }
}

/// Writes down an address that comes late, in a task of its own.
pub fn note_late_address(app: App, lease: Lease) {
    tokio::spawn(async move {
        let until = Instant::now() + LATE_ADDRESS_TIMEOUT;
        if let Err(error) = note_address(&app, &lease, (&lease.node, lease.vmid), until).await {
            tracing::error!(lease.id = lease.lease_id.as_str(), %error, "an address cannot be written down");
        }
    });
}

/// Writes down the address of a lease's container, once there is one. One of ours is known already: what is read inside the
/// container is what its tenant wants to be read, such as the address of a neighbour.
///
/// # Errors
/// The store failed.
pub async fn note_address(
    app: &App,
    lease: &Lease,
    (node, vmid): (&NodeName, Vmid),
    until: Instant,
) -> Result<(), StoreError> {
    if lease.address.is_some() {
        return Ok(());
    }
    if let Some(ip) = address(app, node, vmid, until).await {
        let ip = ip.to_string();
        app.store.set_ip(&lease.lease_id, &ip, app.now()).await?;
    }
    Ok(())
}
