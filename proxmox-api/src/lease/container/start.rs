//! Starts a container. A start that high availability or a lost response leaves open is watched
//! until the container runs.

use std::time::Duration;

use api_types::ErrorCode;
use pve::{NodeName, Refusal, Vmid, WaitOptions};
use tokio::time::{Instant, sleep};

use super::halt;
use crate::{error::ApiError, state::App};

/// How long a start of unknown outcome is watched. Starts take a few seconds.
const START_WATCH_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) fn unresponsive() -> ApiError {
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
                Ok(outcome) => {
                    tracing::error!(vmid = vmid.get(), %outcome, "the start of a container failed")
                }
                Err(error) => {
                    tracing::error!(vmid = vmid.get(), %error, "the start of a container was not seen to its end")
                }
            }
        }
        Err(error) if error.refusal() == Some(&Refusal::AlreadyRunning) => return Ok(()),
        // It may have been executed all the same; a second start does no harm.
        Err(error) if error.may_have_executed() => {
            tracing::warn!(
                vmid = vmid.get(),
                error = error.safe_text(),
                "the start of a container has an unknown outcome"
            );
            return runs(app, node, vmid, deadline, START_WATCH_TIMEOUT).await;
        }
        Err(error) => return Err(error.into()),
    }
    Err(unresponsive())
}

/// Looks whether the container runs, and starts it once more if not.
async fn runs(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    deadline: Instant,
    timeout: Duration,
) -> Result<(), ApiError> {
    let client = &app.proxmox.client;
    let mut again = true;
    let deadline = deadline.min(Instant::now() + timeout);
    while Instant::now() < deadline {
        sleep(Duration::from_millis(500)).await;
        match client.container(node, vmid).await {
            Ok(status) if status.is_running() => return Ok(()),
            Ok(status) if status.lock.is_none() && again => {
                again = false;
                if let Err(error) = client.start(node, vmid).await {
                    tracing::warn!(
                        vmid = vmid.get(),
                        error = error.safe_text(),
                        "the second start of a container failed"
                    );
                }
            }
            _ => {}
        }
    }
    Err(unresponsive())
}
