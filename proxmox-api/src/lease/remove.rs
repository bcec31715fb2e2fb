//! Removes the container of a lease, and nothing else: only what was located as the lease's own goes.

use std::time::Duration;

use pve::{Destroy, Refusal, WaitOptions};

use super::{
    LeaseState,
    alarms::Trouble,
    halt,
    locate::{LocateError, Located, Place, locate},
};
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
    /// Another operation holds it; later.
    #[error("the container is locked ({0})")]
    Locked(String),
    /// Protection mode keeps it.
    #[error("the container is protected from removal")]
    Protected,
    /// Its number is taken, and it cannot be told whether by the lease's container.
    #[error("it cannot be told whether the number is still the lease's: {}", .0.word())]
    Unclear(Trouble),
    /// Its node does not answer.
    #[error("its node does not answer")]
    Away,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RemoveError {
    /// What keeps the container, where that lasts until an operator or another operation is done.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Locked(_) => Some(Trouble::Locked),
            Self::Protected => Some(Trouble::Protected),
            Self::Unclear(trouble) => Some(*trouble),
            Self::Away => Some(Trouble::NodeAway),
            Self::Proxmox(_) | Self::Store(_) => None,
        }
    }
}

impl From<pve::Error> for RemoveError {
    fn from(error: pve::Error) -> Self {
        match error.refusal() {
            Some(Refusal::Locked(lock)) => Self::Locked(lock.clone()),
            Some(Refusal::Protected) => Self::Protected,
            _ => Self::Proxmox(error.safe_text()),
        }
    }
}

impl From<LocateError> for RemoveError {
    fn from(error: LocateError) -> Self {
        match error {
            LocateError::Proxmox(error) => error.into(),
            LocateError::Store(error) => Self::Store(error),
        }
    }
}

/// Removes the container of a lease that is `undoing` or `destroying`, and ends the lease.
///
/// # Errors
/// It is still there; try again later.
pub async fn remove(app: &App, lease: &Lease) -> Result<(), RemoveError> {
    match locate(app, lease).await? {
        // Somebody made a template of it: theirs now, and of no use to a customer.
        Located::Here(place) if place.template => {
            let vmid = lease.vmid.get();
            tracing::warn!(
                lease.id = lease.lease_id.as_str(),
                vmid,
                "a leased container was made a template; it is left alone"
            );
        }
        Located::Here(place) => {
            if let Err(error) = container(app, &place).await {
                // What cannot be removed for now does not run on for nothing.
                if let Err(error) = halt::halt_for_good(app, lease, &place).await {
                    let id = &lease.lease_id;
                    tracing::warn!(lease.id = id.as_str(), %error, "what cannot be removed runs on");
                }
                return Err(error);
            }
        }
        Located::Gone => {}
        Located::Unclear(_) if lease.state == LeaseState::Undoing => never_made(app, lease).await?,
        Located::Unclear(trouble) => return Err(RemoveError::Unclear(trouble)),
        Located::Away => return Err(RemoveError::Away),
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
pub async fn container(app: &App, place: &Place) -> Result<(), RemoveError> {
    // With `destroyed`, an earlier removal was cut off: Proxmox goes on with it.
    if let Some(lock) = place.lock.as_ref().filter(|lock| *lock != "destroyed") {
        return Err(RemoveError::Locked(lock.clone()));
    }
    let client = &app.proxmox.client;
    app.looks.forget(place.vmid);
    let how = Destroy {
        force: true,
        purge: true,
    };
    let upid = match client.destroy(&place.node, place.vmid, how).await {
        Ok(upid) => upid,
        // Gone, or moved since it was located: the next look tells.
        Err(error) => return Err(error.into()),
    };
    let options = WaitOptions {
        poll_first: halt::UNHURRIED,
        ..WaitOptions::within(PATIENCE)
    };
    match client.wait(&upid, options).await {
        Ok(outcome) if outcome.is_success() => Ok(()),
        Ok(outcome) => Err(RemoveError::Proxmox(outcome.to_string())),
        Err(error) => Err(RemoveError::Proxmox(error.to_string())),
    }
}

/// A container that is being made is not in the pool yet, and so hidden. For a lease that was never paid, a number that is
/// taken means its container only if a creation of ours is running or has succeeded.
async fn never_made(app: &App, lease: &Lease) -> Result<(), RemoveError> {
    let client = &app.proxmox.client;
    let tasks = client.tasks(&lease.node, lease.vmid, "vzcreate").await?;
    let Some(youngest) = tasks.first() else {
        return Ok(());
    };
    match client.task_status(youngest).await? {
        pve::TaskStatus::Running => Err(RemoveError::Locked("create".into())),
        pve::TaskStatus::Stopped(outcome) if outcome.is_success() => {
            Err(RemoveError::Unclear(Trouble::Hidden))
        }
        // Proxmox removes what it fails to make, so this is somebody else's.
        pve::TaskStatus::Stopped(_) => Ok(()),
    }
}
