//! Containers in our pool without a lease: left-overs of ours, containers of leases that a restored
//! database does not have, and an administrator's copies and own containers, which are never
//! touched.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use pve::{ContainerConfig, ContainerState, GuestResource, Node, NodeName, Vmid};
use serde_json::json;

use super::findings::{Findings, is_away};
use crate::{
    error::ApiError,
    ids::LeaseId,
    lease::{
        container::{
            halt, locate,
            marker::{self, Marker},
        },
        ending::{lanes::per_node, remove},
    },
    memory::{known_guests::GuestClass, locations::ContainerLocation},
    state::App,
    store::{Lease, LeaseState},
};

/// A lease younger than this, in seconds, may still be on its way.
const YOUNG: i64 = 600;

/// Containers of one node that are looked at, stopped or removed at a time.
const AT_ONCE: usize = 8;
/// Containers that are looked at in one comparison; those that are left are looked at in the next
/// ones.
const READS_PER_COMPARISON: usize = 500;

/// The owner of a container without a live lease.
enum ContainerOwner {
    /// Ours, made for this lease, which can never use it: it was ended before it was paid.
    NeverUsed(LeaseId),
    /// Ours, made for this lease, which is over or which the store does not know.
    Orphan(LeaseId),
    /// Ours, and its lease is still being made.
    OnItsWay,
    /// A copy of one of ours, or not ours.
    Foreign,
}

/// The action on an orphan.
enum OrphanAction {
    Halt,
    Remove(LeaseId),
}

/// Orphans as the store knows them: the lease in the marker, and since when, Unix seconds.
type Orphans = HashMap<Vmid, (LeaseId, i64)>;

/// Looks at the containers of our pool that no lease has. A container that was read before is not
/// read again, as long as the cluster's list shows the same of it.
///
/// # Errors
/// The store failed.
pub(super) async fn compare_orphans(
    app: &App,
    (guests, nodes): (&[GuestResource], &[Node]),
    leases: &HashMap<Vmid, &Lease>,
    findings: &mut Findings,
) -> Result<(), ApiError> {
    let pool = app.proxmox.config.pool.as_str();
    let unknown = guests.iter().filter(|guest| {
        guest.kind == "lxc"
            && guest.pool.as_deref() == Some(pool)
            && !leases.contains_key(&guest.vmid)
    });
    let unknown: HashMap<Vmid, &GuestResource> = unknown.map(|guest| (guest.vmid, guest)).collect();
    app.known_guests.keep(|vmid| unknown.contains_key(&vmid));
    let orphans = app.store.orphans().await?;
    let (mut to_look, mut unseen) = (Vec::new(), 0);
    for guest in unknown.values().copied() {
        let vmid = guest.vmid.get();
        match app.known_guests.class_of(guest, app.now()) {
            Some(GuestClass::Foreign) => findings.foreign.push(vmid),
            Some(GuestClass::Orphan(id)) if is_kept_off(app, guest, &id, &orphans) => {
                findings.orphans.push(vmid);
            }
            Some(GuestClass::Unreadable) => unseen += 1,
            _ if is_away(nodes, guest) => unseen += 1,
            _ => to_look.push(guest),
        }
    }
    let left = to_look.len().saturating_sub(READS_PER_COMPARISON);
    to_look.truncate(READS_PER_COMPARISON);
    let mut work = Vec::new();
    for (guest, config) in read_configs(app, to_look).await {
        let Some(config) = config else {
            unseen += 1;
            continue;
        };
        let todo = classify(app, guest, &config, &orphans, findings).await?;
        let location = ContainerLocation {
            node: guest.node.clone(),
            vmid: guest.vmid,
            lock: config.lock,
            template: config.template,
        };
        work.extend(todo.map(|todo| (guest.node.clone(), perform(app.clone(), location, todo))));
    }
    // After a restored database they may be many, and each may take its time.
    let removed = per_node(work, AT_ONCE).await;
    findings.removed.extend(removed.into_iter().flatten());
    for found in [
        &mut findings.foreign,
        &mut findings.orphans,
        &mut findings.removed,
    ] {
        found.sort_unstable();
    }
    let foreign = findings.foreign.len();
    if app.known_guests.is_new([foreign, unseen, left]) {
        tracing::info!(
            foreign,
            unseen,
            left,
            "containers in the pool are not of this service, cannot be looked at, or are looked at later"
        );
    }
    let gone = orphans
        .into_keys()
        .filter(|vmid| !unknown.contains_key(vmid));
    Ok(app.store.forget_orphans(gone.collect()).await?)
}

/// Whether an orphan is off and kept, so that there is nothing to be done with it.
fn is_kept_off(app: &App, guest: &GuestResource, lease_id: &LeaseId, orphans: &Orphans) -> bool {
    guest.status == ContainerState::Stopped
        && orphans.get(&guest.vmid).is_some_and(|(known, since)| {
            known == lease_id && app.now() < since + app.config.orphan_keep_seconds
        })
}

/// Reads the configurations of containers; `None` where that is not possible now. A node that does
/// not answer is asked for a few of its containers only.
async fn read_configs<'a>(
    app: &App,
    guests: Vec<&'a GuestResource>,
) -> Vec<(&'a GuestResource, Option<ContainerConfig>)> {
    let silent: Mutex<HashSet<NodeName>> = Mutex::default();
    let silent = || silent.lock().unwrap_or_else(PoisonError::into_inner);
    let (client, silent) = (&app.proxmox.client, &silent);
    let looks = guests.into_iter().map(|guest| {
        let look = async move {
            if silent().contains(&guest.node) {
                return (guest, None);
            }
            match client.config(&guest.node, guest.vmid).await {
                Ok(config) => (guest, Some(config)),
                Err(error) if locate::is_unreachable(&error) => {
                    silent().insert(guest.node.clone());
                    (guest, None)
                }
                Err(error) => {
                    let (vmid, cause) = (guest.vmid.get(), error.safe_text());
                    tracing::debug!(
                        vmid,
                        error = cause,
                        "the configuration of a container cannot be read"
                    );
                    let known = &app.known_guests;
                    known.remember(guest, GuestClass::Unreadable, app.now());
                    (guest, None)
                }
            }
        };
        (guest.node.clone(), look)
    });
    per_node(looks, AT_ONCE).await
}

/// Classifies a container by its configuration, with the action to be taken.
async fn classify(
    app: &App,
    guest: &GuestResource,
    config: &ContainerConfig,
    orphans: &Orphans,
    findings: &mut Findings,
) -> Result<Option<OrphanAction>, ApiError> {
    let vmid = guest.vmid.get();
    Ok(match owner(app, guest.vmid, config).await? {
        ContainerOwner::OnItsWay => None,
        ContainerOwner::Foreign => {
            findings.foreign.push(vmid);
            let known = &app.known_guests;
            known.remember(guest, GuestClass::Foreign, app.now());
            None
        }
        ContainerOwner::NeverUsed(lease_id) => Some(OrphanAction::Remove(lease_id)),
        ContainerOwner::Orphan(lease_id) => {
            let verdict = GuestClass::Orphan(lease_id.clone());
            app.known_guests.remember(guest, verdict, app.now());
            if app.now() >= keep(app, guest.vmid, &lease_id, orphans).await? {
                return Ok(Some(OrphanAction::Remove(lease_id)));
            }
            findings.orphans.push(vmid);
            let runs = match guest.status {
                ContainerState::Stopped => false,
                _ => {
                    let client = &app.proxmox.client;
                    let status = client.container(&guest.node, guest.vmid).await;
                    status.is_ok_and(|status| status.is_running())
                }
            };
            runs.then_some(OrphanAction::Halt)
        }
    })
}

async fn owner(
    app: &App,
    vmid: Vmid,
    config: &ContainerConfig,
) -> Result<ContainerOwner, ApiError> {
    let vmid = Some(vmid.get());
    let ours = |marker: &Marker| marker.instance == app.installation.id && marker.vmid == vmid;
    let markers = marker::read_all(config.description.as_deref());
    // Without a number in its marker it may be a copy, and with another one it is.
    let Some(marker) = markers.into_iter().find(ours) else {
        return Ok(ContainerOwner::Foreign);
    };
    // A template is what an administrator made of it.
    if config.template {
        return Ok(ContainerOwner::Foreign);
    }
    let Some(lease) = app.store.lease(&marker.lease).await? else {
        return Ok(ContainerOwner::Orphan(marker.lease));
    };
    let young = app.now() - lease.created_at < YOUNG;
    Ok(match lease.state {
        // After a creation of unknown outcome the lease goes on under another number.
        state if state.is_in_flight() && young => ContainerOwner::OnItsWay,
        // The state is final, in an older copy of the store as well, and a lease gets an end when
        // it is paid.
        LeaseState::Destroyed if lease.expires_at.is_none() => {
            ContainerOwner::NeverUsed(marker.lease)
        }
        _ => ContainerOwner::Orphan(marker.lease),
    })
}

/// Until when an orphan is kept, Unix seconds: after a restored database it is a paying customer's.
async fn keep(
    app: &App,
    vmid: Vmid,
    lease_id: &LeaseId,
    orphans: &Orphans,
) -> Result<i64, ApiError> {
    let since = match orphans.get(&vmid) {
        Some((known, since)) if known == lease_id => *since,
        _ => return record_orphan(app, vmid, lease_id).await,
    };
    Ok(since + app.config.orphan_keep_seconds)
}

async fn record_orphan(app: &App, vmid: Vmid, lease_id: &LeaseId) -> Result<i64, ApiError> {
    let now = app.now();
    let since = app.store.orphan_since(vmid, lease_id, now).await?;
    let until = since + app.config.orphan_keep_seconds;
    tracing::error!(
        lease.id = lease_id.as_str(),
        vmid = vmid.get(),
        removed_at = until,
        "a container of this service has no lease; it is stopped, and removed after ORPHAN_KEEP_HOURS"
    );
    let data = json!({ "vmid": vmid, "removedAt": until });
    app.record_event(lease_id, "orphan_found", data).await;
    Ok(until)
}

/// The number of the container, where it was removed.
async fn perform(app: App, location: ContainerLocation, work: OrphanAction) -> Option<u32> {
    let vmid = location.vmid.get();
    match work {
        OrphanAction::Halt => {
            if let Err(error) = halt::halt(&app, &location).await {
                tracing::warn!(vmid, %error, "the orphan cannot be stopped yet");
            }
            None
        }
        OrphanAction::Remove(lease_id) => match remove::remove_container(&app, &location).await {
            Ok(()) => {
                app.record_event(&lease_id, "orphan_removed", json!({ "vmid": vmid }))
                    .await;
                Some(vmid)
            }
            Err(error) => {
                tracing::warn!(vmid, %error, "the orphan cannot be removed yet");
                None
            }
        },
    }
}
