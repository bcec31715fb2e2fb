//! Stops and starts the container of a running lease, because its owner wants that. The paid time goes on either way, and the data
//! stays. Proxmox is the only record of whether a container runs, so a crash in between leaves nothing to be taken up.

use std::time::Duration;

use api_types::ErrorCode;
use pve::ContainerState;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{halt, locate, lock, owned::active, remove, start, traffic};
use crate::{
    error::ApiError,
    state::App,
    store::{Lease, StoreError},
};

/// How long the owner waits; the work goes on after that.
const PATIENCE: Duration = Duration::from_secs(25);
/// How long a start may take.
const START_AT_MOST: Duration = Duration::from_secs(60);
/// How long the address of a started container is waited for. It rarely changes.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(3);

/// What the owner wants of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// To be shut down, and forced after twenty seconds.
    Off,
    /// To run.
    On,
}

/// What became of the wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switched {
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
pub async fn switch(app: &App, lease: &Lease, power: Power) -> Result<Switched, ApiError> {
    // Before the wait for a turn: whoever may not is told at once.
    active(app, &lease.lease_id, &lease.owner).await?;
    // In a task of its own: an owner who hangs up leaves no container half stopped.
    let work = tokio::spawn(work(app.clone(), lease.clone(), power));
    match timeout(PATIENCE, work).await {
        Ok(Ok(done)) => Ok(Switched::Done(done?)),
        Ok(Err(error)) => {
            tracing::error!(lease.id = lease.lease_id.as_str(), %error, "switching a container broke off");
            let message = "It broke off half way; look at the lease and try again.";
            Err(ApiError::new(ErrorCode::Internal, message))
        }
        Err(_) => {
            tracing::warn!(
                lease.id = lease.lease_id.as_str(),
                ?power,
                "a container takes long"
            );
            Ok(Switched::Soon(lease.clone()))
        }
    }
}

async fn work(app: App, lease: Lease, power: Power) -> Result<Lease, ApiError> {
    // Waits for an end, a renewal or another wish that is under way; it may have changed what is allowed.
    let _turn = app.leases_in_work.take(&lease.lease_id).await?;
    let lease = active(&app, &lease.lease_id, &lease.owner).await?;
    if power == Power::On
        && let Some(why) = traffic::keeps_off(&app, &lease.lease_id).await?
    {
        return Err(ApiError::new(ErrorCode::LeaseConflict, why).advise("renew the lease"));
    }
    let place = locate::find(&app, &lease).await?;
    let (node, vmid) = (&place.node, place.vmid);
    let asked = app.now();
    let now = app.proxmox.client.container(node, vmid).await?;
    // One that is off while it is moved or backed up is perhaps started again at the end of that.
    let restarts = now.lock.as_deref().is_some_and(lock::may_start_again);
    if now.status == power.wanted() && !(power == Power::Off && restarts) {
        remember(&app, &lease, power, asked).await?;
        return Ok(lease);
    }
    if let Some(held_by) = &now.lock {
        return Err(lock::refused(held_by));
    }
    app.looks.forget(vmid);
    match power {
        Power::Off => halt::halt(&app, &place).await.map_err(unstopped)?,
        Power::On => {
            start::start(&app, node, vmid, Instant::now() + START_AT_MOST)
                .await
                .map_err(unstarted)?;
            let until = Instant::now() + ADDRESS_PATIENCE;
            start::note_address(&app, &lease, (node, vmid), until).await?;
        }
    }
    remember(&app, &lease, power, asked).await?;
    app.proxmox.saw(vmid, power.wanted()).await;
    app.record_event(&lease.lease_id, power.event(), json!({ "by": "owner" }))
        .await;
    Ok(app.store.lease(&lease.lease_id).await?.unwrap_or(lease))
}

/// After its node has booted, a container is started again unless its owner wants it off. `asked` is from before Proxmox was
/// asked to start it: a boot after that is one to make up for.
async fn remember(app: &App, lease: &Lease, power: Power, asked: i64) -> Result<(), StoreError> {
    let ids = vec![lease.lease_id.clone()];
    match power {
        Power::Off => app.store.saw_stopped(ids).await,
        Power::On => app.store.saw_running(ids, asked).await,
    }
}

fn unstopped(error: remove::RemoveError) -> ApiError {
    tracing::warn!(%error, "a container cannot be stopped");
    match error {
        remove::RemoveError::Locked(held_by) => lock::refused(&held_by),
        remove::RemoveError::Store(error) => error.into(),
        _ => {
            let message = "The container could not be stopped.";
            ApiError::new(ErrorCode::HypervisorError, message).retry_after(5)
        }
    }
}

fn unstarted(error: ApiError) -> ApiError {
    ApiError {
        message: "The container does not start.".into(),
        ..error
    }
}
