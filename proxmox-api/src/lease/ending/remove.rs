//! Removes the container of a lease, once it was located as the lease's own, and ends the lease.

use std::time::Duration;

use pve::{Destroy, WaitOptions};

use crate::{
    lease::container::{
        error::ContainerError,
        halt,
        locate::{Located, locate},
    },
    memory::{alarms::Trouble, locations::ContainerLocation},
    state::App,
    store::{Lease, LeaseState},
};

const REMOVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Removes the container of a lease that is `undoing` or `destroying`, and ends the lease.
///
/// # Errors
/// It is still there; try again later.
pub async fn remove(app: &App, lease: &Lease) -> Result<(), ContainerError> {
    match locate(app, lease).await? {
        // An administrator made a template of it, which cannot run for a customer.
        Located::Here(location) if location.template => {
            let vmid = lease.vmid.get();
            tracing::warn!(
                lease.id = lease.lease_id.as_str(),
                vmid,
                "a leased container was made a template; it is left alone"
            );
        }
        Located::Here(location) => {
            if let Err(error) = remove_container(app, &location).await {
                // A container that cannot be removed yet is halted, because its time is over.
                if let Err(error) = halt::halt_for_good(app, lease, &location).await {
                    let id = &lease.lease_id;
                    tracing::warn!(lease.id = id.as_str(), %error, "the container can neither be removed nor halted");
                }
                return Err(error);
            }
        }
        Located::Gone => {}
        Located::Unclear(_) if lease.state == LeaseState::Undoing => {
            check_never_made(app, lease).await?
        }
        Located::Unclear(trouble) => return Err(ContainerError::Unclear(trouble)),
        Located::Away => return Err(ContainerError::Away),
    }
    let ended = LeaseState::Destroyed;
    let moved = app
        .store
        .move_lease(&lease.lease_id, lease.state, ended, app.now())
        .await?;
    app.alarms.clear(&lease.lease_id, &[]);
    // If this replica has lost its lock meanwhile, another one may have ended the lease.
    if moved {
        app.record_event(
            &lease.lease_id,
            "destroyed",
            serde_json::json!({ "vmid": lease.vmid }),
        )
        .await;
    }
    Ok(())
}

/// Removes a container that was located as a lease's own, or as one of ours without a lease.
///
/// # Errors
/// It is still there.
pub async fn remove_container(
    app: &App,
    location: &ContainerLocation,
) -> Result<(), ContainerError> {
    // With `destroyed`, an earlier removal was cut off: Proxmox goes on with it.
    if let Some(lock) = location.lock.as_ref().filter(|lock| *lock != "destroyed") {
        return Err(ContainerError::Locked(lock.clone()));
    }
    let client = &app.proxmox.client;
    app.locations.forget(location.vmid);
    let how = Destroy {
        force: true,
        purge: true,
    };
    let upid = match client.destroy(&location.node, location.vmid, how).await {
        Ok(upid) => upid,
        // It may be gone or moved since it was located; the next attempt finds out.
        Err(error) => return Err(error.into()),
    };
    let options = WaitOptions {
        poll_first: halt::BACKGROUND_POLL,
        ..WaitOptions::within(REMOVE_TIMEOUT)
    };
    match client.wait(&upid, options).await {
        Ok(outcome) if outcome.is_success() => Ok(()),
        Ok(outcome) => Err(ContainerError::Proxmox(outcome.to_string())),
        Err(error) => Err(ContainerError::Proxmox(error.to_string())),
    }
}

/// A container that is being made is not in the pool yet, and so hidden. For a lease that was never
/// paid, a number that is taken means its container only if a creation of ours is running or has
/// succeeded.
async fn check_never_made(app: &App, lease: &Lease) -> Result<(), ContainerError> {
    let client = &app.proxmox.client;
    let tasks = client.tasks(&lease.node, lease.vmid, "vzcreate").await?;
    let Some(youngest) = tasks.first() else {
        return Ok(());
    };
    match client.task_status(youngest).await? {
        pve::TaskStatus::Running => Err(ContainerError::Locked("create".into())),
        pve::TaskStatus::Stopped(outcome) if outcome.is_success() => {
            Err(ContainerError::Unclear(Trouble::Hidden))
        }
        // Proxmox removes what it fails to make, so this container is not the lease's.
        pve::TaskStatus::Stopped(_) => Ok(()),
    }
}
