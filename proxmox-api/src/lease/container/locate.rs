//! Finds the container of a lease. Administrators and high availability move containers between
//! nodes, clone them, restore them, take them out of the pool and use their numbers again. So all
//! code that acts on a container locates it here first: by its number on any node, and by the
//! marker in its notes or its hardware address. `memory::locations` remembers the result for some
//! seconds.

use api_types::ErrorCode;
use pve::{ContainerConfig, NodeName, Refusal, Vmid};
use serde_json::json;

use super::{
    lock,
    marker::{self, Marker},
};
use crate::{
    error::ApiError,
    memory::{alarms::Trouble, locations::ContainerLocation},
    proxmox::ListedPosition,
    state::App,
    store::{Lease, LeaseState, StoreError},
};

/// Where a lease's container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// There, and it is the lease's for sure.
    Here(ContainerLocation),
    /// Gone for sure: its number is free, or belongs to a guest that is another one for sure.
    Gone,
    /// Its number is taken, and it cannot be told whether by the lease's container. That is never
    /// an end of the lease.
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

/// Finds the container of a lease, and stores its node where it has moved. An alarm tells the
/// operator of what is not as it should be.
///
/// # Errors
/// Proxmox did not answer, or the store failed.
pub async fn locate(app: &App, lease: &Lease) -> Result<Located, LocateError> {
    let located = locate_uncached(app, lease).await?;
    match &located {
        Located::Here(location) => {
            let now = app.clock.unix_millis();
            app.locations.remember(location, &lease.lease_id, now);
            if location.template {
                let id = &lease.lease_id;
                app.alarms
                    .raise(id, lease.vmid, Trouble::Template, app.now());
            } else {
                // Those two are about what is done with it, and cleared there.
                let others = [Trouble::Protected, Trouble::Locked, Trouble::LinkDown];
                if let Some(Trouble::Gone | Trouble::Template) = app.alarms.of(&lease.lease_id) {
                    app.store.record_found(&lease.lease_id).await?;
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

async fn locate_uncached(app: &App, lease: &Lease) -> Result<Located, LocateError> {
    let (node, vmid) = (&lease.node, lease.vmid);
    let listed = app.proxmox.recently_listed(vmid).await;
    // A whole node's containers may have moved, and a list for each of them would be long.
    if let ListedPosition::On(elsewhere) = &listed
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
    if listed == ListedPosition::Nowhere && matches!(absent(app, vmid).await?, Located::Gone) {
        return Ok(Located::Gone);
    }
    // Gone from there, hidden, or the node is away, renamed or removed: the cluster knows where the
    // number is now.
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
    let markers = marker::read_all(config.description.as_deref());
    let mac = app.store.mac_of(&lease.lease_id).await?;
    let found = config.hwaddr();
    if markers.iter().any(|marker| marker.fits(&expected)) {
        // It has another interface by now, or was made by a release that did not note this.
        if let Some(found) = found.filter(|found| mac.as_deref() != Some(*found)) {
            app.store.set_mac(&lease.lease_id, found).await?;
        }
    } else {
        // Notes can be overwritten; the hardware address is the container's own, and a clone gets
        // another one.
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
    Ok(Located::Here(ContainerLocation {
        node,
        vmid,
        lock: config.lock,
        template: config.template,
    }))
}

/// Writes the marker anew: it is of an earlier release, or was overwritten. It is tried again at
/// the next look.
async fn rewrite(
    app: &App,
    node: &NodeName,
    vmid: Vmid,
    config: &ContainerConfig,
    marker: &Marker,
) {
    let notes = config.description.as_deref().unwrap_or_default();
    let Some(notes) = marker::insert_into(notes, marker) else {
        return;
    };
    let mut changes = vec![("description", notes.as_str())];
    // With the digest, Proxmox refuses the change if the notes were changed since they were read.
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
            error = error.safe_text(),
            "the marker cannot be written into the container's notes"
        ),
    }
}

pub(crate) fn is_unreachable(error: &pve::Error) -> bool {
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
pub async fn find(app: &App, lease: &Lease) -> Result<ContainerLocation, ApiError> {
    match locate(app, lease).await? {
        Located::Here(location) if location.template => Err(a_template()),
        Located::Here(location) => Ok(location),
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

/// As [`find`], before money moves: the location may be five seconds old, and a locked container is
/// refused.
///
/// # Errors
/// As [`find`], and 409 it is locked.
pub async fn find_for_sale(app: &App, lease: &Lease) -> Result<ContainerLocation, ApiError> {
    let now = app.clock.unix_millis();
    let recent = app.locations.find(lease.vmid, &lease.lease_id, now);
    let location = match recent {
        Some(location) if location.lock.is_none() && !location.template => location,
        _ => find(app, lease).await?,
    };
    match &location.lock {
        Some(held_by) => Err(lock::refusal(held_by)),
        None => Ok(location),
    }
}
