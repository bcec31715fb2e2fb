//! Stops a container that has run for too long without a network, and starts it again once that is
//! over.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    lease::container::{address, error::ContainerError, halt, start},
    memory::locations::ContainerLocation,
    state::App,
    store::{Lease, LeaseState},
};
use pve::ContainerState;

/// How long a container may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Stops a lease's container. False: not now, as something else is done with it.
///
/// # Errors
/// Proxmox does not do it, or the store failed.
pub(super) async fn stop(
    app: &App,
    lease: &Lease,
    location: &ContainerLocation,
) -> Result<bool, String> {
    app.locations.forget(location.vmid);
    match halt::halt(app, location).await {
        Ok(()) => {}
        Err(ContainerError::Locked(_)) => return Ok(false),
        Err(error) => return Err(error.to_string()),
    }
    // Its node's next boot must not start it.
    let noted = app.store.saw_stopped(vec![lease.lease_id.clone()]).await;
    noted.map_err(|error| error.to_string())?;
    app.proxmox
        .remember_state(location.vmid, ContainerState::Stopped)
        .await;
    Ok(true)
}

/// Starts the container of a lease again whose paid time runs.
///
/// # Errors
/// It does not start, or the store failed.
pub(super) async fn start(
    app: &App,
    lease: &Lease,
    location: &ContainerLocation,
) -> Result<bool, String> {
    let over = lease.expires_at.is_some_and(|end| end <= app.now());
    if lease.state != LeaseState::Active || over {
        return Ok(true);
    }
    if location.lock.is_some() {
        return Ok(false);
    }
    app.locations.forget(location.vmid);
    // Its node may reboot while it starts.
    let asked = app.now();
    let deadline = Instant::now() + START_TIMEOUT;
    let started = start::start(app, &location.node, location.vmid, deadline).await;
    started.map_err(|error| error.message)?;
    let noted = app.store.saw_running(vec![lease.lease_id.clone()], asked);
    noted.await.map_err(|error| error.to_string())?;
    app.proxmox
        .remember_state(location.vmid, ContainerState::Running)
        .await;
    address::store_late_address(app.clone(), lease.clone());
    Ok(true)
}
