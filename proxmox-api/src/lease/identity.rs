//! Whether the container with a lease's number is the lease's own, by its marker. Numbers are used again, and an operator may
//! put something else in a container's place, so everything that acts on a container looks first.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use api_types::ErrorCode;
use pve::{NodeName, Refusal, Vmid};

use super::{marker, remove::place};
use crate::{error::ApiError, state::App, store::Lease};

/// How long a look is good for calls that may come many times a second, in milliseconds.
const FRESH: u64 = 5_000;

/// What has a number on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The lease's container.
    Own,
    /// Nothing.
    Nothing,
    /// A container of another lease, or one that we did not make or may not see.
    Foreign,
}

/// A lease in a container's marker, and when it was read, in Unix milliseconds.
type Look = (u64, String);

/// The containers that were looked at a moment ago.
#[derive(Default)]
pub struct RecentLooks(Mutex<HashMap<Vmid, Look>>);

impl RecentLooks {
    fn all(&self) -> MutexGuard<'_, HashMap<Vmid, Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, vmid: Vmid, lease_id: &str, now: u64) {
        let mut all = self.all();
        all.retain(|_, (at, _)| now.saturating_sub(*at) < FRESH);
        all.insert(vmid, (now, lease_id.to_owned()));
    }

    fn knows(&self, vmid: Vmid, lease_id: &str, now: u64) -> bool {
        self.all()
            .get(&vmid)
            .is_some_and(|(at, known)| now.saturating_sub(*at) < FRESH && known == lease_id)
    }

    /// The container is about to go.
    pub(super) fn forget(&self, vmid: Vmid) {
        self.all().remove(&vmid);
    }
}

/// Looks at the container with a number.
///
/// # Errors
/// Proxmox did not answer.
pub async fn look(
    app: &App,
    lease_id: &str,
    node: &NodeName,
    vmid: Vmid,
) -> Result<Found, pve::Error> {
    let client = &app.proxmox.client;
    let found = match client.config(node, vmid).await {
        Ok(config) if marker::read(&app.installation, &config).as_deref() == Some(lease_id) => {
            let now = app.clock.unix_millis();
            app.looks.remember(vmid, lease_id, now);
            return Ok(Found::Own);
        }
        Ok(_) => Found::Foreign,
        Err(error) if error.is_missing() => Found::Nothing,
        // With rights on the pool only, one that is gone and one of somebody else look alike.
        Err(error) if matches!(error.refusal(), Some(Refusal::Forbidden { .. })) => {
            match client.next_id(Some(vmid)).await {
                Ok(_) => Found::Nothing,
                Err(error) if error.refusal() == Some(&Refusal::VmidTaken) => Found::Foreign,
                Err(error) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    let vmid = vmid.get();
    tracing::warn!(
        lease.id = lease_id,
        vmid,
        ?found,
        "not the container of this lease"
    );
    Ok(found)
}

/// Where a lease's own container is.
///
/// # Errors
/// It is gone, or Proxmox did not answer.
pub async fn own(app: &App, lease: &Lease) -> Result<(NodeName, Vmid), ApiError> {
    let (node, vmid) = placed(lease)?;
    match look(app, &lease.lease_id, &node, vmid).await? {
        Found::Own => Ok((node, vmid)),
        Found::Nothing | Found::Foreign => {
            let message = "The container of this lease is gone; its operator has to look.";
            Err(ApiError::new(ErrorCode::LeaseEnded, message))
        }
    }
}

/// The same by a look that may be some seconds old.
///
/// # Errors
/// As [`own`].
pub async fn own_lately(app: &App, lease: &Lease) -> Result<(NodeName, Vmid), ApiError> {
    let (node, vmid) = placed(lease)?;
    let now = app.clock.unix_millis();
    if app.looks.knows(vmid, &lease.lease_id, now) {
        return Ok((node, vmid));
    }
    own(app, lease).await
}

fn placed(lease: &Lease) -> Result<(NodeName, Vmid), ApiError> {
    place(lease).map_err(|error| {
        tracing::error!(lease.id = lease.lease_id, %error, "a lease cannot be found");
        ApiError::new(ErrorCode::Internal, "The container cannot be found.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_of_one_lease_and_ends_with_its_container() {
        let (looks, vmid) = (RecentLooks::default(), Vmid::try_from(40_200_u32).unwrap());
        assert!(!looks.knows(vmid, "lease-1", 1_000));
        looks.remember(vmid, "lease-1", 1_000);
        assert!(looks.knows(vmid, "lease-1", 5_999));
        assert!(!looks.knows(vmid, "lease-1", 6_000), "too old");
        assert!(!looks.knows(vmid, "lease-2", 1_000));
        looks.forget(vmid);
        assert!(!looks.knows(vmid, "lease-1", 1_000));
    }
}
