//! Compares Proxmox with the store, in both directions: containers with our marker that no lease knows are removed, leases
//! whose container is gone are reported.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pve::Refusal;
use serde_json::json;

use super::{LeaseState, marker, remove};
use crate::{error::ApiError, state::App, store::Lease};

/// Between two comparisons.
const EVERY: Duration = Duration::from_secs(180);
/// A lease younger than this, in seconds, may still be on its way.
const YOUNG: i64 = 600;

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Containers of ours that were removed because no lease has them.
    pub removed: Vec<u32>,
    /// Containers in our pool that are not ours.
    pub foreign: Vec<u32>,
    /// Leases whose container is gone.
    pub lost: Vec<String>,
}

/// Compares now and every few minutes, until the process ends.
pub async fn run(app: App) {
    loop {
        if let Err(error) = in_turn(&app).await {
            tracing::warn!(code = %error.code, "Proxmox and the store cannot be compared now");
        }
        if let Err(error) = count(&app).await {
            tracing::error!(code = %error.code, "leases cannot be counted");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Replicas compare one after the other, so that no orphan is removed by two of them at once.
async fn in_turn(app: &App) -> Result<Findings, ApiError> {
    let _turn = app.leases_in_work.take("comparison").await?;
    compare(app).await
}

/// One comparison.
///
/// # Errors
/// Proxmox or the store did not answer.
pub async fn compare(app: &App) -> Result<Findings, ApiError> {
    let mut findings = Findings::default();
    // Containers first: a lease that comes into being in between is then known, not missing.
    let resources = app.proxmox.client.resources().await?;
    let leases: HashMap<u32, Lease> = app
        .store
        .live_leases()
        .await?
        .into_iter()
        .map(|lease| (lease.vmid, lease))
        .collect();
    let pool = app.proxmox.config.pool.as_str();
    for found in resources
        .iter()
        .filter(|found| found.kind == "lxc" && found.pool.as_deref() == Some(pool))
    {
        let vmid = found.vmid.get();
        if leases.contains_key(&vmid) {
            continue;
        }
        let config = match app.proxmox.client.config(&found.node, found.vmid).await {
            Ok(config) => config,
            Err(error) => {
                tracing::info!(
                    vmid,
                    cause = error.safe_text(),
                    "a container cannot be looked at"
                );
                continue;
            }
        };
        let Some(lease_id) = marker::read(&app.installation, &config) else {
            tracing::warn!(
                vmid,
                "a container in our pool was not made by us; it is left alone"
            );
            findings.foreign.push(vmid);
            continue;
        };
        if on_its_way(app, &lease_id).await? {
            continue;
        }
        match remove::container(app, &found.node, found.vmid, Some(&lease_id)).await {
            Ok(()) => {
                app.note(&lease_id, "orphan_removed", json!({ "vmid": vmid }))
                    .await;
                findings.removed.push(vmid);
            }
            Err(error) => tracing::warn!(vmid, %error, "an orphan cannot be removed yet"),
        }
    }
    let seen: HashSet<u32> = resources.iter().map(|found| found.vmid.get()).collect();
    for lease in leases.values().filter(|lease| !seen.contains(&lease.vmid)) {
        if matches!(lease.state, LeaseState::Active | LeaseState::Stopped)
            && is_lost(app, lease).await
        {
            tracing::error!(
                lease.id = lease.lease_id,
                vmid = lease.vmid,
                "the container of a paid lease is gone"
            );
            app.note(
                &lease.lease_id,
                "container_lost",
                json!({ "vmid": lease.vmid }),
            )
            .await;
            findings.lost.push(lease.lease_id.clone());
        }
    }
    metrics::gauge!("leases_lost").set(findings.lost.len() as f64);
    Ok(findings)
}

/// Whether the lease of an orphan may still be looking for it: after a creation of unknown outcome it goes on elsewhere.
async fn on_its_way(app: &App, lease_id: &str) -> Result<bool, ApiError> {
    let lease = app.store.lease(lease_id).await?;
    Ok(lease
        .is_some_and(|lease| lease.state.is_in_flight() && app.now() - lease.created_at < YOUNG))
}

/// The list may lag behind; a number that is free has no container for sure.
async fn is_lost(app: &App, lease: &Lease) -> bool {
    let Ok((_, vmid)) = remove::place(lease) else {
        return false;
    };
    match app.proxmox.client.next_id(Some(vmid)).await {
        Ok(_) => true,
        Err(error) => {
            let taken = error.refusal() == Some(&Refusal::VmidTaken);
            if !taken {
                tracing::info!(cause = error.safe_text(), "a number cannot be looked up");
            }
            false
        }
    }
}

async fn count(app: &App) -> Result<(), ApiError> {
    let counts: HashMap<_, _> = app.store.lease_counts().await?.into_iter().collect();
    for state in LeaseState::ALL {
        let number = counts.get(&state).copied().unwrap_or(0);
        metrics::gauge!("leases", "state" => state.as_str()).set(f64::from(number));
    }
    Ok(())
}
