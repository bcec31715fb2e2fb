//! Finds the container of a lease. Administrators and high availability move containers between nodes, clone them, restore
//! them, take them out of the pool and use their numbers again, so everything that acts on a container finds it here first: by
//! its number, on whichever node it is, and by the marker in its notes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use api_types::ErrorCode;
use pve::{ContainerConfig, NodeName, Refusal, Vmid};
use serde_json::json;

use super::{
    LeaseState,
    alarms::Trouble,
    lock,
    marker::{self, Marker},
};
use crate::{
    error::ApiError,
    ids::LeaseId,
    proxmox::Listed,
    state::App,
    store::{Lease, StoreError},
};

/// How long a look is good for calls that may come many times a second, in milliseconds.
const FRESH: u64 = 5_000;

/// A lease's own container, where it was a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeName,
    /// The number.
    pub vmid: Vmid,
    /// The operation that holds it, such as `backup`.
    pub lock: Option<String>,
    /// It was made a template, which cannot run.
    pub template: bool,
}

/// Where a lease's container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// There, and it is the lease's for sure.
    Here(Place),
    /// Gone for sure: its number is free, or belongs to a guest that is another one for sure.
    Gone,
    /// Its number is taken, and it cannot be told whether by the lease's container. That is never an end of the lease.
    Unclear(Trouble),
    /// Its node does not answer.
    Away,
}

/// Why it cannot be said where a container is.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// Proxmox did not answer.
    #[error("{}", .0.safe_text())]
    Proxmox(#[from] pve::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LocateError> for ApiError {
    fn from(error: LocateError) -> Self {
        match error {
            LocateError::Proxmox(error) => error.into(),
            LocateError::Store(error) => error.into(),
        }
    }
}

/// The containers that were found a moment ago.
#[derive(Default)]
pub struct RecentLooks(Mutex<HashMap<Vmid, RecentLook>>);

/// A located container, its owner, and when it was read: in Unix milliseconds, and in milliseconds of the monotonic clock.
struct RecentLook {
    at: u64,
    moment: Instant,
    lease_id: LeaseId,
    place: Place,
}

impl RecentLooks {
    fn all(&self) -> MutexGuard<'_, HashMap<Vmid, RecentLook>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, place: &Place, lease_id: &LeaseId, now: u64) {
        let mut all = self.all();
        all.retain(|_, look| is_fresh(look.at, now));
        let look = RecentLook {
            at: now,
            moment: Instant::now(),
            lease_id: lease_id.clone(),
            place: place.clone(),
        };
        all.insert(place.vmid, look);
    }

    fn find(&self, vmid: Vmid, lease_id: &LeaseId, now: u64) -> Option<Place> {
        let all = self.all();
        let look = all.get(&vmid)?;
        (is_fresh(look.at, now) && look.lease_id == *lease_id).then(|| look.place.clone())
    }

    /// The located container of a lease, if it was read after `moment`.
    pub(super) fn lock_since(
        &self,
        vmid: Vmid,
        lease_id: &LeaseId,
        moment: Instant,
    ) -> Option<Option<String>> {
        let all = self.all();
        let look = all.get(&vmid)?;
        let later = look.moment > moment && look.lease_id == *lease_id;
        later.then(|| look.place.lock.clone())
    }

    /// The container is about to change.
    pub(super) fn forget(&self, vmid: Vmid) {
        self.all().remove(&vmid);
    }
}

/// A look that is of later than now was taken before the clock was set back.
fn is_fresh(at: u64, now: u64) -> bool {
    now.checked_sub(at).is_some_and(|age| age < FRESH)
}

/// Finds the container of a lease, and stores its node where it has moved. An alarm tells the operator of what is not as it
/// should be.
///
/// # Errors
/// Proxmox did not answer, or the store failed.
pub async fn locate(app: &App, lease: &Lease) -> Result<Located, LocateError> {
    let located = look(app, lease).await?;
    match &located {
        Located::Here(place) => {
            let now = app.clock.unix_millis();
            app.looks.remember(place, &lease.lease_id, now);
            if place.template {
                let id = &lease.lease_id;
                app.alarms
                    .raise(id, lease.vmid, Trouble::Template, app.now());
            } else {
                // Those two are about what is done with it, and cleared there.
                let others = [Trouble::Protected, Trouble::Locked, Trouble::LinkDown];
                if let Some(Trouble::Gone | Trouble::Template) = app.alarms.of(&lease.lease_id) {
                    app.store.found(&lease.lease_id).await?;
                }
                app.alarms.clear(&lease.lease_id, &others);
            }
        }
        Located::Unclear(trouble) => {
            let id = &lease.lease_id;
            app.alarms.raise(id, lease.vmid, *trouble, app.now());
        }
        // One that is being made or removed may well be gone.
        Located::Gone if lease.state == LeaseState::Active => {
            let id = &lease.lease_id;
            app.alarms.raise(id, lease.vmid, Trouble::Gone, app.now());
        }
        Located::Gone | Located::Away => {}
    }
    Ok(located)
}

async fn look(app: &App, lease: &Lease) -> Result<Located, LocateError> {
    let (node, vmid) = (&lease.node, lease.vmid);
    let listed = app.proxmox.recently_listed(vmid).await;
    // A whole node's containers may have moved, and a list for each of them would be long.
    if let Listed::On(elsewhere) = &listed
        && elsewhere != node
        && let Ok(config) = app.proxmox.client.config(elsewhere, vmid).await
    {
        return judge(app, lease, elsewhere.clone(), config).await;
    }
    let first = match app.proxmox.client.config(node, vmid).await {
        Ok(config) => return judge(app, lease, node.clone(), config).await,
        Err(error) => error,
    };
    if first.refusal() == Some(&Refusal::Unauthorized) {
        return Err(first.into());
    }
    // A number that a recent list did not have, and that is free: many missing containers need no
    // further list.
    if listed == Listed::Nowhere && matches!(absent(app, vmid).await?, Located::Gone) {
        return Ok(Located::Gone);
    }
    // Gone from there, hidden, or the node is away, renamed or removed: the cluster knows where the number is now.
    let guests = match app.proxmox.guests().await {
        Ok(guests) => guests,
        Err(_) if is_unreachable(&first) => return Err(first.into()),
        Err(error) => return Err(error.into()),
    };
    let Some(guest) = guests.iter().find(|guest| guest.vmid == vmid) else {
        return absent(app, vmid).await;
    };
    if guest.kind != "lxc" {
        return Ok(Located::Gone);
    }
    if guest.node == *node && is_unreachable(&first) {
        return Ok(Located::Away);
    }
    match app.proxmox.client.config(&guest.node, vmid).await {
        Ok(config) => judge(app, lease, guest.node.clone(), config).await,
        Err(error) if is_unreachable(&error) => Ok(Located::Away),
        // It moves just now, or the list is older than its end.
        Err(error) if error.is_missing() => match absent(app, vmid).await? {
            Located::Gone => Ok(Located::Gone),
            _ => Ok(Located::Away),
        },
        Err(error) if is_forbidden(&error) => Ok(Located::Unclear(Trouble::Hidden)),
        Err(error) => Err(error.into()),
    }
}

/// A number that the cluster does not show: free, or taken by what this service may not see.
async fn absent(app: &App, vmid: Vmid) -> Result<Located, LocateError> {
    match app.proxmox.client.next_id(Some(vmid)).await {
        Ok(_) => Ok(Located::Gone),
        Err(error) if error.refusal() == Some(&Refusal::VmidTaken) => {
            Ok(Located::Unclear(Trouble::Hidden))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the container with a lease's number is the lease's.
async fn judge(
    app: &App,
    lease: &Lease,
    node: NodeName,
    config: ContainerConfig,
) -> Result<Located, LocateError> {
    let expected = Marker::new(
        &app.installation,
        &lease.lease_id,
        lease.vmid,
        lease.created_at,
    );
    let markers = marker::all(config.description.as_deref());
    let mac = app.store.mac_of(&lease.lease_id).await?;
    let found = config.hwaddr();
    if markers.iter().any(|marker| marker.fits(&expected)) {
        // It has another interface by now, or was made by a release that did not note this.
        if let Some(found) = found.filter(|found| mac.as_deref() != Some(*found)) {
            app.store.set_mac(&lease.lease_id, found).await?;
        }
    } else {
        // Notes can be overwritten; the hardware address is the container's own, and a clone gets another one.
        match (mac, found) {
            (Some(mac), Some(found)) if mac.eq_ignore_ascii_case(found) => {}
            (Some(_), Some(_)) => return Ok(Located::Gone),
            _ if markers.is_empty() => return Ok(Located::Unclear(Trouble::Unmarked)),
            _ => return Ok(Located::Gone),
        }
    }
    let vmid = lease.vmid;
    if !markers.contains(&expected) && config.lock.is_none() {
        rewrite(app, &node, vmid, &config, &expected).await;
    }
    if node != lease.node {
        let id = &lease.lease_id;
        if app.store.set_node(id, &node, app.now()).await? {
            metrics::counter!("containers_moved_total").increment(1);
            let data = json!({ "vmid": lease.vmid, "from": lease.node, "to": node });
            app.record_event(id, "container_moved", data).await;
        }
    }
    Ok(Located::Here(Place {
        node,
        vmid,
        lock: config.lock,
        template: config.template,
    }))
}

/// Writes the marker anew: it is of an earlier release, or was overwritten. It is tried again at the next look.
async fn rewrite(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    config: &ContainerConfig,
    marker: &Marker,
) {
    let notes = config.description.as_deref().unwrap_or_default();
    let Some(notes) = marker::written_into(notes, marker) else {
        return;
    };
    let mut changes = vec![("description", notes.as_str())];
    // With it, notes that somebody else changes meanwhile are not overwritten.
    changes.extend(config.digest.as_deref().map(|digest| ("digest", digest)));
    match app.proxmox.client.update_config(node, vmid, &changes).await {
        Ok(()) => {
            let data = json!({ "vmid": vmid.get() });
            app.record_event(&marker.lease, "marker_written", data)
                .await;
        }
        Err(error) => tracing::warn!(
            lease.id = marker.lease.as_str(),
            vmid = vmid.get(),
            cause = error.safe_text(),
            "the marker cannot be written into the container's notes"
        ),
    }
}

pub(super) fn is_unreachable(error: &pve::Error) -> bool {
    matches!(
        error,
        pve::Error::Unsent { .. } | pve::Error::Ambiguous { .. }
    )
}

fn is_forbidden(error: &pve::Error) -> bool {
    matches!(error.refusal(), Some(Refusal::Forbidden { .. }))
}

/// The container of a lease, for something that is done with it.
///
/// # Errors
/// 410 it is gone, 503 it cannot be told or its node does not answer.
pub async fn find(app: &App, lease: &Lease) -> Result<Place, ApiError> {
    match locate(app, lease).await? {
        Located::Here(place) if place.template => Err(a_template()),
        Located::Here(place) => Ok(place),
        Located::Gone => {
            let message = "The container of this lease is gone from the host.";
            Err(ApiError::new(ErrorCode::LeaseEnded, message))
        }
        Located::Unclear(_) => {
            let message =
                "The container of this lease cannot be reached; its operator has been told.";
            Err(ApiError::new(ErrorCode::HypervisorUnavailable, message).retry_after(300))
        }
        Located::Away => {
            let message = "The node that this container is on does not answer just now.";
            Err(ApiError::new(ErrorCode::HypervisorUnavailable, message).retry_after(30))
        }
    }
}

fn a_template() -> ApiError {
    let message =
        "The container of this lease was made a template by its operator and cannot run any more.";
    ApiError::new(ErrorCode::LeaseEnded, message)
}

/// The same by a look that may be five seconds old, before money moves: a container that is locked is refused as well.
///
/// # Errors
/// As [`find`], and 409 it is locked.
pub async fn find_for_sale(app: &App, lease: &Lease) -> Result<Place, ApiError> {
    let now = app.clock.unix_millis();
    let recent = app.looks.find(lease.vmid, &lease.lease_id, now);
    let place = match recent {
        Some(place) if place.lock.is_none() && !place.template => place,
        _ => find(app, lease).await?,
    };
    match &place.lock {
        Some(held_by) => Err(lock::refused(held_by)),
        None => Ok(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_of_one_lease_and_ends_with_its_container() {
        let place = Place {
            node: NodeName::new("pve").unwrap(),
            vmid: Vmid::try_from(40_200_u32).unwrap(),
            lock: None,
            template: false,
        };
        let (looks, vmid) = (RecentLooks::default(), place.vmid);
        assert_eq!(looks.find(vmid, &"lease-1".into(), 1_000), None);
        looks.remember(&place, &"lease-1".into(), 1_000);
        assert_eq!(looks.find(vmid, &"lease-1".into(), 5_999), Some(place));
        assert_eq!(looks.find(vmid, &"lease-1".into(), 6_000), None, "too old");
        assert_eq!(
            looks.find(vmid, &"lease-1".into(), 999),
            None,
            "the clock was set"
        );
        assert_eq!(looks.find(vmid, &"lease-2".into(), 1_000), None);
        looks.forget(vmid);
        assert_eq!(looks.find(vmid, &"lease-1".into(), 1_000), None);
    }
}
