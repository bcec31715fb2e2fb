//! Stops and starts the container of an active lease for its owner. The paid time goes on, and the
//! data stays. Proxmox is the only record of whether a container runs, so a crash leaves nothing to
//! resume.

use std::time::Duration;

use api_types::ErrorCode;
use pve::ContainerState;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::access::active;
use crate::{
    error::ApiError,
    lease::{
        container::{address, error::ContainerError, halt, locate, lock, start},
        guest::connect,
        network::traffic,
    },
    state::App,
    store::{Lease, StoreError},
};

/// How long the owner waits; the work goes on after that.
const OWNER_TIMEOUT: Duration = Duration::from_secs(25);
/// How long a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the address of a started container is waited for. It rarely changes.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// What the owner wants of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// To be shut down, and forced after twenty seconds.
    Off,
    /// To run.
    On,
}

/// The result of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerOutcome {
    /// It is as the owner wants it.
    Done(Lease),
    /// It will be in a moment.
    Soon(Lease),
}

impl Power {
    /// The state of a container that is as its owner wants it.
    pub fn wanted(self) -> ContainerState {
        match self {
            Self::Off => ContainerState::Stopped,
            Self::On => ContainerState::Running,
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Off => "switched_off",
            Self::On => "switched_on",
        }
    }
}

/// Switches the container of an owner's lease. One that already is as wanted stays as it is.
///
/// # Errors
/// The paid time does not run, or Proxmox does not do it.
pub async fn switch(app: &App, lease: &Lease, power: Power) -> Result<PowerOutcome, ApiError> {
    // Checked before the wait for the lock, so that a refusal comes at once.
    active(app, &lease.lease_id, &lease.owner).await?;
    // In a task of its own: an owner who hangs up leaves no container half stopped.
    let work = tokio::spawn(work(app.clone(), lease.clone(), power));
    match timeout(OWNER_TIMEOUT, work).await {
        Ok(Ok(done)) => Ok(PowerOutcome::Done(done?)),
        Ok(Err(error)) => {
            tracing::error!(lease.id = lease.lease_id.as_str(), %error, "the work to switch a container's power broke off");
            let message = "It broke off half way; look at the lease and try again.";
            Err(ApiError::new(ErrorCode::Internal, message))
        }
        Err(_) => {
            tracing::warn!(
                lease.id = lease.lease_id.as_str(),
                ?power,
                "the container takes long to stop or start; the work goes on"
            );
            Ok(PowerOutcome::Soon(lease.clone()))
        }
    }
}

async fn work(app: App, lease: Lease, power: Power) -> Result<Lease, ApiError> {
    // Waits for an end, a renewal or another switch, which may change what is allowed.
    let _lock = app.leases_in_work.take(&lease.lease_id).await?;
    let lease = active(&app, &lease.lease_id, &lease.owner).await?;
    if power == Power::On
        && let Some(why) = traffic::keeps_off(&app, &lease.lease_id).await?
    {
        return Err(ApiError::new(ErrorCode::LeaseConflict, why).advise("renew the lease"));
    }
    let location = locate::find(&app, &lease).await?;
    let (node, vmid) = (&location.node, location.vmid);
    let asked = app.now();
    let now = app.proxmox.client.container(node, vmid).await?;
    // One that is off while it is moved or backed up is perhaps started again at the end of that.
    let restarts = now.lock.as_deref().is_some_and(lock::may_start_again);
    if now.status == power.wanted() && !(power == Power::Off && restarts) {
        store_power(&app, &lease, power, asked).await?;
        return Ok(lease);
    }
    if let Some(held_by) = &now.lock {
        return Err(lock::refusal(held_by));
    }
    app.locations.forget(vmid);
    app.forget_guest(&lease.lease_id);
    match power {
        Power::Off => halt::halt(&app, &location).await.map_err(stop_error)?,
        Power::On => {
            start::start(&app, node, vmid, Instant::now() + START_TIMEOUT)
                .await
                .map_err(start_error)?;
            let until = Instant::now() + ADDRESS_TIMEOUT;
            address::store_address(&app, &lease, (node, vmid), until).await?;
            if let Some(lease) = app.store.lease(&lease.lease_id).await? {
                connect::try_after_start(&app, &lease);
            }
        }
    }
    store_power(&app, &lease, power, asked).await?;
    app.proxmox.remember_state(vmid, power.wanted()).await;
    app.record_event(&lease.lease_id, power.event(), json!({ "by": "owner" }))
        .await;
    Ok(app.store.lease(&lease.lease_id).await?.unwrap_or(lease))
}

/// After its node has booted, a container is started again unless its owner wants it off. `asked`
/// is from before Proxmox was asked to start it: a boot after that is one to make up for.
async fn store_power(app: &App, lease: &Lease, power: Power, asked: i64) -> Result<(), StoreError> {
    let ids = vec![lease.lease_id.clone()];
    match power {
        Power::Off => app.store.saw_stopped(ids).await,
        Power::On => app.store.saw_running(ids, asked).await,
    }
}

fn stop_error(error: ContainerError) -> ApiError {
    tracing::warn!(%error, "the container cannot be stopped");
    match error {
        ContainerError::Locked(held_by) => lock::refusal(&held_by),
        ContainerError::Store(error) => error.into(),
        _ => {
            let message = "The container could not be stopped.";
            ApiError::new(ErrorCode::HypervisorError, message).retry_after(5)
        }
    }
}

fn start_error(error: ApiError) -> ApiError {
    ApiError {
        message: "The container does not start.".into(),
        ..error
    }
}
