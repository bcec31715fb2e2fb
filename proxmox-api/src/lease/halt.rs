//! Halts a container: it is asked to shut down, and the plug is pulled where it does not listen.

use std::time::Duration;

use pve::{NodeName, Refusal, Vmid, WaitOptions};

use super::remove::RemoveError;
use crate::state::App;

/// How long a container gets to shut down by itself.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// Halts the container; one that does not run, or is gone, is left as it is.
///
/// # Errors
/// It still runs, or Proxmox cannot be asked.
pub async fn halt(app: &App, node: &NodeName, vmid: Vmid) -> Result<(), RemoveError> {
    let client = &app.proxmox.client;
    match client.shutdown(node, vmid, SHUTDOWN, true).await {
        Ok(upid) => {
            let outcome = client.wait(&upid, WaitOptions::within(SHUTDOWN * 2)).await;
            if !matches!(&outcome, Ok(outcome) if outcome.is_success()) {
                let upid = client.stop(node, vmid).await;
                if let Ok(upid) = upid {
                    // Whether it helped is looked at below.
                    let _ = client.wait(&upid, WaitOptions::within(SHUTDOWN)).await;
                }
            }
        }
        Err(error) if error.refusal() == Some(&Refusal::NotRunning) || gone(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match client.container(node, vmid).await {
        Ok(status) if status.is_running() => Err(RemoveError::Proxmox("it still runs".into())),
        Ok(_) => Ok(()),
        Err(error) if gone(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// With rights on the pool only, what is gone is answered with 403.
pub(crate) fn gone(error: &pve::Error) -> bool {
    error.is_missing() || matches!(error.refusal(), Some(Refusal::Forbidden { .. }))
}
