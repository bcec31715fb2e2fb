//! Halts a container: it is asked to shut down, and stopped where it does not listen.

use std::time::Duration;

use pve::{ExecRequest, NodeName, Refusal, TaskOutcome, Upid, Vmid, WaitOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{error::ContainerError, lock};
use crate::{memory::locations::ContainerLocation, state::App, store::Lease};

/// How long a container gets to shut down by itself.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// Seconds for which Proxmox is asked in vain to stop a container; after that it is powered off
/// from inside.
const POWER_OFF_FROM_INSIDE_AFTER: i64 = 3600;
/// How long high availability may take to do what it was asked for.
pub(crate) const HA_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at whether a container has stopped.
const POLL: Duration = Duration::from_millis(500);
/// Shortest interval between polls of a task while no customer waits for it: hundreds of leases may
/// end in a minute.
pub(crate) const BACKGROUND_POLL: Duration = Duration::from_millis(200);
/// Shortest interval between polls of a task while a customer waits for it.
const CUSTOMER_POLL: Duration = Duration::from_millis(60);

/// Halts the container; one that does not run is left as it is.
///
/// # Errors
/// It still runs, or Proxmox cannot be asked.
pub async fn halt(app: &App, location: &ContainerLocation) -> Result<(), ContainerError> {
    halt_within(app, location, HA_TIMEOUT).await
}

/// The same, with the time that high availability gets for each thing that it is asked for.
///
/// # Errors
/// As [`halt`].
pub async fn halt_within(
    app: &App,
    location: &ContainerLocation,
    ha_timeout: Duration,
) -> Result<(), ContainerError> {
    halt_by(app, location, ha_timeout, CUSTOMER_POLL).await
}

/// As [`halt`], with a shortest interval between polls of the task.
async fn halt_by(
    app: &App,
    location: &ContainerLocation,
    ha_timeout: Duration,
    poll: Duration,
) -> Result<(), ContainerError> {
    let client = &app.proxmox.client;
    let (node, vmid) = (&location.node, location.vmid);
    let mut timeout = Duration::ZERO;
    match client.shutdown(node, vmid, SHUTDOWN, true).await {
        Ok(upid) => {
            let mut done = succeeds(app, &upid, poll).await;
            if is_ha(&upid) {
                // High availability does not force a container down that it is asked to shut down.
                done = done && stopped(app, node, vmid, ha_timeout).await.is_ok();
            }
            if !done && let Ok(upid) = client.stop(node, vmid).await {
                // Whether it helped is looked at below.
                succeeds(app, &upid, poll).await;
                if is_ha(&upid) {
                    timeout = ha_timeout;
                }
            }
        }
        Err(error) if error.refusal() == Some(&Refusal::NotRunning) => {}
        Err(error) => return Err(error.into()),
    }
    match stopped(app, node, vmid, timeout).await? {
        Some(held_by) if lock::may_start_again(&held_by) => Err(ContainerError::Locked(held_by)),
        _ => Ok(()),
    }
}

/// Halts a container that may not run any more: by Proxmox, and from inside where Proxmox is asked
/// in vain for an hour, because of a lock or because high availability does not do it. The caller
/// has the lease's lock.
///
/// # Errors
/// As [`halt`].
pub async fn halt_for_good(
    app: &App,
    lease: &Lease,
    location: &ContainerLocation,
) -> Result<(), ContainerError> {
    app.locations.forget(location.vmid);
    app.forget_guest(&lease.lease_id);
    let error = match halt_by(app, location, HA_TIMEOUT, BACKGROUND_POLL).await {
        Err(error @ (ContainerError::Locked(_) | ContainerError::Proxmox(_))) => error,
        halted => return halted,
    };
    let client = &app.proxmox.client;
    let in_vain = app.retries.since(&lease.lease_id);
    if in_vain.is_none_or(|since| app.now() - since < POWER_OFF_FROM_INSIDE_AFTER)
        // What is off and locked is started again perhaps, and cannot be told anything now.
        || !client.container(&location.node, location.vmid).await?.is_running()
    {
        return Err(error);
    }
    halt_from_inside(app, location).await?;
    let data = json!({ "vmid": lease.vmid, "lock": location.lock });
    app.record_event(&lease.lease_id, "powered_off_inside", data)
        .await;
    Ok(())
}

async fn succeeds(app: &App, upid: &Upid, poll: Duration) -> bool {
    let options = WaitOptions {
        poll_first: poll,
        ..WaitOptions::within(SHUTDOWN * 2)
    };
    let outcome = app.proxmox.client.wait(upid, options).await;
    outcome.is_ok_and(|outcome: TaskOutcome| outcome.is_success())
}

/// Whether a task only asks high availability for something, which is done seconds after the task's
/// end.
pub(crate) fn is_ha(upid: &Upid) -> bool {
    upid.kind.starts_with("ha")
}

/// Waits until the container is off; the operation that holds it then.
async fn stopped(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    timeout: Duration,
) -> Result<Option<String>, ContainerError> {
    let until = Instant::now() + timeout;
    loop {
        let status = app.proxmox.client.container(node, vmid).await?;
        if !status.is_running() {
            return Ok(status.lock);
        }
        if Instant::now() >= until {
            // Tasks of a locked container are begun, and fail.
            return Err(status.lock.map_or_else(
                || ContainerError::Proxmox("it still runs".into()),
                ContainerError::Locked,
            ));
        }
        sleep(POLL).await;
    }
}

/// Halts a container by a command inside: a lock keeps Proxmox from stopping it, not its own root.
///
/// # Errors
/// It still runs.
async fn halt_from_inside(app: &App, location: &ContainerLocation) -> Result<(), ContainerError> {
    let (node, vmid) = (&location.node, location.vmid);
    let command = ExecRequest {
        timeout: SHUTDOWN,
        ..ExecRequest::new("poweroff || halt || kill -s TERM 1")
    };
    let run = app.proxmox.consoles.exec(node, vmid, command, None);
    // The terminal ends with the container, so what becomes of the command tells nothing.
    let stopped = tokio::select! {
        stopped = stopped(app, node, vmid, SHUTDOWN * 3) => stopped,
        ran = run => {
            tracing::info!(vmid = vmid.get(), failed = ran.is_err(), "a container was told to power off");
            stopped(app, node, vmid, SHUTDOWN).await
        }
    };
    stopped.map(drop)
}
