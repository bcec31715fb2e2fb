//! Halts a container: it is asked to shut down, and stopped where it does not listen.

use std::time::Duration;

use pve::{ExecRequest, NodeName, Refusal, TaskOutcome, Upid, Vmid, WaitOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{locate::Place, lock, remove::RemoveError};
use crate::{state::App, store::Lease};

/// How long a container gets to shut down by itself.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// Seconds for which Proxmox is asked in vain to stop a container; after that it is powered off
/// from inside.
const INSIDE_AFTER: i64 = 3600;
/// How long high availability may take to do what it was asked for.
pub(super) const HA_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at whether a container has stopped.
const POLL: Duration = Duration::from_millis(500);
/// Shortest interval between polls of a task while no customer waits for it: hundreds of leases may
/// end in a minute.
pub(super) const UNHURRIED: Duration = Duration::from_millis(200);
/// Shortest interval between polls of a task while a customer waits for it.
const HURRIED: Duration = Duration::from_millis(60);

/// Halts the container; one that does not run is left as it is.
///
/// # Errors
/// It still runs, or Proxmox cannot be asked.
pub async fn halt(app: &App, place: &Place) -> Result<(), RemoveError> {
    halt_within(app, place, HA_TIMEOUT).await
}

/// The same, with the time that high availability gets for each thing that it is asked for.
///
/// # Errors
/// As [`halt`].
pub async fn halt_within(
    app: &App,
    place: &Place,
    ha_timeout: Duration,
) -> Result<(), RemoveError> {
    halt_by(app, place, ha_timeout, HURRIED).await
}

/// As [`halt`], with a shortest interval between polls of the task.
async fn halt_by(
    app: &App,
    place: &Place,
    ha_timeout: Duration,
    poll: Duration,
) -> Result<(), RemoveError> {
    let client = &app.proxmox.client;
    let (node, vmid) = (&place.node, place.vmid);
    let mut patience = Duration::ZERO;
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
                    patience = ha_timeout;
                }
            }
        }
        Err(error) if error.refusal() == Some(&Refusal::NotRunning) => {}
        Err(error) => return Err(error.into()),
    }
    match stopped(app, node, vmid, patience).await? {
        Some(held_by) if lock::may_start_again(&held_by) => Err(RemoveError::Locked(held_by)),
        _ => Ok(()),
    }
}

/// Halts a container that may not run any more: by Proxmox, and from inside where Proxmox is asked
/// in vain for an hour, because of a lock or because high availability does not do it. The caller
/// has the lease's turn.
///
/// # Errors
/// As [`halt`].
pub async fn halt_for_good(app: &App, lease: &Lease, place: &Place) -> Result<(), RemoveError> {
    app.looks.forget(place.vmid);
    let error = match halt_by(app, place, HA_TIMEOUT, UNHURRIED).await {
        Err(error @ (RemoveError::Locked(_) | RemoveError::Proxmox(_))) => error,
        halted => return halted,
    };
    let client = &app.proxmox.client;
    let in_vain = app.retries.since(&lease.lease_id);
    if in_vain.is_none_or(|since| app.now() - since < INSIDE_AFTER)
        // What is off and locked is started again perhaps, and cannot be told anything now.
        || !client.container(&place.node, place.vmid).await?.is_running()
    {
        return Err(error);
    }
    halt_from_inside(app, place).await?;
    let data = json!({ "vmid": lease.vmid, "lock": place.lock });
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

/// Whether a task only asks high availability for something, which is done seconds after the task's end.
pub(super) fn is_ha(upid: &Upid) -> bool {
    upid.kind.starts_with("ha")
}

/// Waits until the container is off; the operation that holds it then.
async fn stopped(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    patience: Duration,
) -> Result<Option<String>, RemoveError> {
    let until = Instant::now() + patience;
    loop {
        let status = app.proxmox.client.container(node, vmid).await?;
        if !status.is_running() {
            return Ok(status.lock);
        }
        if Instant::now() >= until {
            // Tasks of a locked container are begun, and fail.
            return Err(status.lock.map_or_else(
                || RemoveError::Proxmox("it still runs".into()),
                RemoveError::Locked,
            ));
        }
        sleep(POLL).await;
    }
}

/// Halts a container by a command inside: a lock keeps Proxmox from stopping it, not its own root.
///
/// # Errors
/// It still runs.
async fn halt_from_inside(app: &App, place: &Place) -> Result<(), RemoveError> {
    let (node, vmid) = (&place.node, place.vmid);
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
