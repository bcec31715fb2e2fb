//! Containers in our pool that no lease has: our own left-overs, containers of leases that a restored database has forgotten,
//! and an administrator's copies and own containers, which are never touched.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use pve::{ContainerConfig, GuestResource, Vmid};
use serde_json::json;

use super::{
    halt,
    locate::Place,
    marker::{self, Marker},
    reconcile::Findings,
    remove,
};
use crate::{error::ApiError, ids::LeaseId, state::App, store::Lease};

/// A lease younger than this, in seconds, may still be on its way.
const YOUNG: i64 = 600;

/// Containers that are stopped at a time.
const AT_ONCE: usize = 8;

/// Whose a container is.
enum Owner {
    /// Ours, made for this lease, which can never use it: it was ended before it was paid.
    NeverUsed(LeaseId),
    /// Ours, made for this lease, which is over or which the store does not know.
    Orphan(LeaseId),
    /// Ours, and its lease is still being made.
    OnItsWay,
    /// A copy of one of ours, or not ours.
    Foreign,
}

/// Looks at every container of our pool that no lease has.
///
/// # Errors
/// The store failed.
pub(super) async fn look(
    app: &App,
    guests: &[GuestResource],
    leases: &HashMap<Vmid, &Lease>,
    findings: &mut Findings,
) -> Result<(), ApiError> {
    let pool = app.proxmox.config.pool.as_str();
    let unknown = guests.iter().filter(|guest| {
        guest.kind == "lxc"
            && guest.pool.as_deref() == Some(pool)
            && !leases.contains_key(&guest.vmid)
    });
    let (mut seen, mut to_halt) = (Vec::new(), Vec::new());
    for guest in unknown {
        let vmid = guest.vmid.get();
        seen.push(guest.vmid);
        let config = match app.proxmox.client.config(&guest.node, guest.vmid).await {
            Ok(config) => config,
            Err(error) => {
                let cause = error.safe_text();
                tracing::info!(vmid, cause, "a container cannot be looked at");
                continue;
            }
        };
        let place = Place {
            node: guest.node.clone(),
            vmid: guest.vmid,
            lock: config.lock.clone(),
            template: config.template,
        };
        match owner(app, guest.vmid, &config).await? {
            Owner::OnItsWay => {}
            Owner::Foreign => {
                tracing::debug!(vmid, "a container in the pool is not of this service");
                findings.foreign.push(vmid);
            }
            Owner::NeverUsed(lease_id) => remove(app, &place, &lease_id, findings).await,
            Owner::Orphan(lease_id) => {
                if keep(app, &place, &lease_id, findings).await? {
                    to_halt.push(halt_one(app.clone(), place));
                }
            }
        }
    }
    // After a restored database they may be many, and each may take its time.
    let halts = stream::iter(to_halt).buffer_unordered(AT_ONCE);
    halts.collect::<()>().await;
    Ok(app.store.keep_orphans(seen).await?)
}

async fn owner(app: &App, vmid: Vmid, config: &ContainerConfig) -> Result<Owner, ApiError> {
    let vmid = Some(vmid.get());
    let ours = |marker: &Marker| marker.instance == app.installation.id && marker.vmid == vmid;
    let markers = marker::all(config.description.as_deref());
    // Without a number in its marker it may be a copy, and with another one it is.
    let Some(marker) = markers.into_iter().find(ours) else {
        return Ok(Owner::Foreign);
    };
    // A template is what an administrator made of it.
    if config.template {
        return Ok(Owner::Foreign);
    }
    let Some(lease) = app.store.lease(&marker.lease).await? else {
        return Ok(Owner::Orphan(marker.lease));
    };
    let young = app.now() - lease.created_at < YOUNG;
    Ok(match lease.state {
        // After a creation of unknown outcome the lease goes on under another number.
        state if state.is_in_flight() && young => Owner::OnItsWay,
        // The state is final, in an older copy of the store as well, and a lease gets an end when it is paid.
        super::LeaseState::Destroyed if lease.expires_at.is_none() => {
            Owner::NeverUsed(marker.lease)
        }
        _ => Owner::Orphan(marker.lease),
    })
}

/// Keeps an orphan for a while: after a restored database it is a paying customer's. Whether it is
/// to be stopped.
async fn keep(
    app: &App,
    place: &Place,
    lease_id: &LeaseId,
    findings: &mut Findings,
) -> Result<bool, ApiError> {
    let (vmid, now) = (place.vmid.get(), app.now());
    let since = app.store.orphan_since(place.vmid, lease_id, now).await?;
    let until = since + app.config.orphan_keep_seconds;
    if since == now {
        tracing::error!(
            lease.id = lease_id.as_str(),
            vmid,
            removed_at = until,
            "a container of this service has no lease; it is stopped, and removed after ORPHAN_KEEP_HOURS"
        );
        let data = json!({ "vmid": vmid, "removedAt": until });
        app.note(lease_id, "orphan_found", data).await;
    }
    if now >= until {
        remove(app, place, lease_id, findings).await;
        return Ok(false);
    }
    findings.orphans.push(vmid);
    let status = app.proxmox.client.container(&place.node, place.vmid).await;
    Ok(status.is_ok_and(|status| status.is_running()))
}

async fn halt_one(app: App, place: Place) {
    if let Err(error) = halt::halt(&app, &place).await {
        let vmid = place.vmid.get();
        tracing::warn!(vmid, %error, "a container without a lease cannot be stopped yet");
    }
}

async fn remove(app: &App, place: &Place, lease_id: &LeaseId, findings: &mut Findings) {
    let vmid = place.vmid.get();
    match remove::container(app, place).await {
        Ok(()) => {
            app.note(lease_id, "orphan_removed", json!({ "vmid": vmid }))
                .await;
            findings.removed.push(vmid);
        }
        Err(error) => tracing::warn!(vmid, %error, "an orphan cannot be removed yet"),
    }
}
