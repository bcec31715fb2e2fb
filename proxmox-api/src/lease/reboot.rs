//! Starts again what ran before its node rebooted. Containers do not start with their node by themselves, so that nothing runs
//! before its fence is up; what their owners switched off, inside or here, stays off.

use std::collections::HashMap;
use std::time::Duration;

use pve::{ContainerState, GuestResource, NodeName, NodeState};
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::{
    LeaseState,
    locate::{Located, locate},
    start,
};
use crate::{error::ApiError, state::App, store::Lease};

/// Seconds after which the time at which a container was seen running is written down again.
const REFRESH: i64 = 3600;
/// Seconds by which a boot time may be wrong: uptimes come in whole seconds, and take a moment to come.
const CLOCKS: i64 = 2;
/// Containers that are started at a time.
const AT_ONCE: usize = 4;
/// How long a start may take.
const START_AT_MOST: Duration = Duration::from_secs(120);

/// Notes which containers run, and starts those that ran until their node rebooted; the leases of the latter.
///
/// # Errors
/// Proxmox or the store did not answer.
pub(super) async fn start_what_ran(
    app: &App,
    leases: &[(&Lease, &GuestResource)],
) -> Result<Vec<String>, ApiError> {
    let booted = boot_times(app).await?;
    let seen = app.store.running_seen().await?;
    let now = app.now();
    let (mut running, mut stopped, mut to_start) = (Vec::new(), Vec::new(), Vec::new());
    for (lease, guest) in leases {
        let paid = lease.expires_at.is_some_and(|end| end > now);
        if lease.state != LeaseState::Active || !paid {
            continue;
        }
        let id = lease.lease_id.clone();
        let seen = seen.get(&id).copied();
        let boot = booted.get(&guest.node).copied();
        let ran_before = seen
            .zip(boot)
            .is_some_and(|(seen, boot)| seen < boot - CLOCKS);
        match guest.status {
            ContainerState::Running if ran_before || seen.is_none_or(|at| now - at > REFRESH) => {
                running.push(id);
            }
            ContainerState::Stopped if ran_before => to_start.push((*lease).clone()),
            ContainerState::Stopped if seen.is_some() => stopped.push(id),
            _ => {}
        }
    }
    if !running.is_empty() {
        app.store.saw_running(running, now).await?;
    }
    if !stopped.is_empty() {
        app.store.saw_stopped(stopped).await?;
    }
    Ok(start_all(app, to_start).await)
}

/// When each node booted, Unix seconds, where this account may see that.
async fn boot_times(app: &App) -> Result<HashMap<NodeName, i64>, ApiError> {
    let now = app.now();
    let nodes = app.proxmox.client.nodes().await?;
    Ok(nodes
        .into_iter()
        .filter(|node| node.status == NodeState::Online)
        .filter_map(|node| {
            let uptime = i64::try_from(node.uptime?).ok()?;
            Some((node.node, now - uptime))
        })
        .collect())
}

async fn start_all(app: &App, leases: Vec<Lease>) -> Vec<String> {
    let mut started = Vec::new();
    let mut work = JoinSet::new();
    for lease in leases {
        if work.len() >= AT_ONCE {
            started.extend(work.join_next().await.and_then(Result::ok).flatten());
        }
        work.spawn(start_one(app.clone(), lease));
    }
    while let Some(done) = work.join_next().await {
        started.extend(done.ok().flatten());
    }
    started
}

async fn start_one(app: App, lease: Lease) -> Option<String> {
    match try_start(&app, &lease.lease_id).await {
        Ok(true) => Some(lease.lease_id),
        Ok(false) => None,
        Err(error) => {
            tracing::warn!(
                lease.id = lease.lease_id,
                code = %error.code,
                "a container cannot be started after its node's boot; it is tried again"
            );
            None
        }
    }
}

async fn try_start(app: &App, lease_id: &str) -> Result<bool, ApiError> {
    let _turn = app.leases_in_work.take(lease_id).await?;
    // Read again: its owner may have stopped, renewed or ended it meanwhile.
    let lease = app.store.lease(lease_id).await?;
    let Some(lease) = lease.filter(|lease| lease.state == LeaseState::Active) else {
        return Ok(false);
    };
    if !app.store.running_seen().await?.contains_key(lease_id) {
        return Ok(false);
    }
    let Located::Here(place) = locate(app, &lease).await? else {
        return Ok(false);
    };
    if place.lock.is_some() || place.template {
        return Ok(false);
    }
    let client = &app.proxmox.client;
    let status = client.container(&place.node, place.vmid).await?;
    if !status.is_running() {
        let deadline = Instant::now() + START_AT_MOST;
        start::start(app, &place.node, place.vmid, deadline).await?;
        metrics::counter!("containers_started_after_boot_total").increment(1);
        app.note(
            lease_id,
            "started_after_boot",
            json!({ "vmid": lease.vmid }),
        )
        .await;
        start::note_late_address(app.clone(), lease.clone());
    }
    app.store
        .saw_running(vec![lease.lease_id], app.now())
        .await?;
    Ok(!status.is_running())
}
