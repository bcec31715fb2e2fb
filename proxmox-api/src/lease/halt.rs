//! Halts a container: it is asked to shut down, and stopped where it does not listen.

use std::time::Duration;

use pve::{ExecRequest, NodeName, Refusal, TaskOutcome, Upid, Vmid, WaitOptions};
use tokio::time::{Instant, sleep};

use super::{locate::Place, remove::RemoveError};
use crate::state::App;

/// How long a container gets to shut down by itself.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// How long high availability may take to do what it was asked for.
pub(super) const HA_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at whether a container has stopped.
const POLL: Duration = Duration::from_millis(500);

/// Halts the container; one that does not run is left as it is.
///
/// # Errors
/// It still runs, or Proxmox cannot be asked.
pub async fn halt(app: &App, place: &Place) -> Result<(), RemoveError> {
    let client = &app.proxmox.client;
    let (node, vmid) = (&place.node, place.vmid);
    let mut asked_of_ha = false;
    match client.shutdown(node, vmid, SHUTDOWN, true).await {
        Ok(upid) => {
            asked_of_ha = is_ha(&upid);
            if !succeeds(app, &upid).await
                && let Ok(upid) = client.stop(node, vmid).await
            {
                asked_of_ha |= is_ha(&upid);
                // Whether it helped is looked at below.
                succeeds(app, &upid).await;
            }
        }
        Err(error) if error.refusal() == Some(&Refusal::NotRunning) => {}
        Err(error) => return Err(error.into()),
    }
    let patience = if asked_of_ha {
        HA_TIMEOUT
    } else {
        Duration::ZERO
    };
    stopped(app, node, vmid, patience).await
}

async fn succeeds(app: &App, upid: &Upid) -> bool {
    let options = WaitOptions::within(SHUTDOWN * 2);
    let outcome = app.proxmox.client.wait(upid, options).await;
    outcome.is_ok_and(|outcome: TaskOutcome| outcome.is_success())
}

/// Whether a task only asks high availability for something, which is done seconds after the task's end.
pub(super) fn is_ha(upid: &Upid) -> bool {
    upid.kind.starts_with("ha")
}

async fn stopped(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    patience: Duration,
) -> Result<(), RemoveError> {
    let until = Instant::now() + patience;
    loop {
        let status = app.proxmox.client.container(node, vmid).await?;
        if !status.is_running() {
            return Ok(());
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
pub async fn halt_from_inside(app: &App, place: &Place) -> Result<(), RemoveError> {
    let (node, vmid) = (&place.node, place.vmid);
    let command = ExecRequest {
        timeout: SHUTDOWN,
        ..ExecRequest::new("poweroff || halt || kill -s TERM 1")
    };
    let run = app.proxmox.consoles.exec(node, vmid, command, None);
    // The terminal ends with the container, so what becomes of the command tells nothing.
    tokio::select! {
        stopped = stopped(app, node, vmid, SHUTDOWN * 3) => stopped,
        ran = run => {
            tracing::info!(vmid = vmid.get(), failed = ran.is_err(), "a container was told to power off");
            stopped(app, node, vmid, SHUTDOWN).await
        }
    }
}
