//! Removes the container of a lease, and nothing else: only what carries our marker goes.

use std::time::Duration;

use pve::{Destroy, NodeName, Refusal, Vmid, WaitOptions};

use super::{LeaseState, marker};
use crate::{
    state::App,
    store::{Lease, StoreError},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Why a container is still there.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Proxmox did not do it.
    #[error("{0}")]
    Proxmox(String),
    /// It is being made, or held by another operation; later.
    #[error("the container is locked")]
    Locked,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<pve::Error> for RemoveError {
    fn from(error: pve::Error) -> Self {
        match error.refusal() {
            Some(Refusal::Locked(_)) => Self::Locked,
            _ => Self::Proxmox(error.safe_text()),
        }
    }
}

/// Where a lease's container is.
///
/// # Errors
/// The stored node or number is none that Proxmox knows.
pub fn place(lease: &Lease) -> Result<(NodeName, Vmid), RemoveError> {
    let bad = |what: &str| RemoveError::Proxmox(format!("the stored {what} is none"));
    let node = NodeName::new(&lease.node).map_err(|_| bad("node"))?;
    let vmid = Vmid::try_from(u64::from(lease.vmid)).map_err(|_| bad("VMID"))?;
    Ok((node, vmid))
}

/// Removes the container of a lease that is `undoing` or `destroying`, and ends the lease.
///
/// # Errors
/// It is still there; try again later.
pub async fn remove(app: &App, lease: &Lease) -> Result<(), RemoveError> {
    let (node, vmid) = place(lease)?;
    container(app, &node, vmid, Some(&lease.lease_id)).await?;
    let ended = LeaseState::Destroyed;
    app.store
        .move_lease(&lease.lease_id, lease.state, ended, app.now())
        .await?;
    app.note(
        &lease.lease_id,
        "destroyed",
        serde_json::json!({ "vmid": lease.vmid }),
    )
    .await;
    Ok(())
}

/// Removes a container with our marker; with `lease`, only one of that lease.
///
/// # Errors
/// It is still there.
pub async fn container(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    lease: Option<&str>,
) -> Result<(), RemoveError> {
    let client = &app.proxmox.client;
    match client.config(node, vmid).await {
        Ok(config) => {
            let marked = marker::read(&app.installation, &config);
            let ours = marked.is_some() && (lease.is_none() || marked.as_deref() == lease);
            if !ours {
                tracing::warn!(
                    vmid = vmid.get(),
                    "a container without our marker has a number of ours; it is left alone"
                );
                return Ok(());
            }
            if config.lock.as_deref() == Some("create") {
                return Err(RemoveError::Locked);
            }
        }
        Err(error) if error.is_missing() => return Ok(()),
        // With rights on the pool only, one that is gone and one that is being made look alike.
        Err(error) if matches!(error.refusal(), Some(Refusal::Forbidden { .. })) => {
            return hidden(app, node, vmid).await;
        }
        Err(error) => return Err(error.into()),
    }
    app.looks.forget(vmid);
    let how = Destroy {
        force: true,
        purge: true,
    };
    let upid = match client.destroy(node, vmid, how).await {
        Ok(upid) => upid,
        Err(error) if error.is_missing() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match client.wait(&upid, WaitOptions::within(PATIENCE)).await {
        Ok(outcome) if outcome.is_success() => Ok(()),
        Ok(outcome) => Err(RemoveError::Proxmox(outcome.to_string())),
        Err(error) => Err(RemoveError::Proxmox(error.to_string())),
    }
}

/// A container that we may not see: gone if its number is free, ours if a creation of ours is still running.
async fn hidden(app: &App, node: &NodeName, vmid: Vmid) -> Result<(), RemoveError> {
    let client = &app.proxmox.client;
    match client.next_id(Some(vmid)).await {
        Ok(_) => Ok(()),
        Err(error) if error.refusal() == Some(&Refusal::VmidTaken) => {
            let tasks = client.tasks(node, vmid, "vzcreate").await?;
            let Some(youngest) = tasks.first() else {
                // Nobody's creation that we know of: somebody else's container.
                return Ok(());
            };
            match client.task_status(youngest).await? {
                pve::TaskStatus::Running => Err(RemoveError::Locked),
                // Ended and still not ours to see: somebody else has taken the number since.
                pve::TaskStatus::Stopped(_) => Ok(()),
            }
        }
        Err(error) => Err(error.into()),
    }
}
