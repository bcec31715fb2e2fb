//! How many containers are leased, and how many of them run. The numbers are public, so concurrent
//! requests share one count.

use std::sync::Arc;

use pve::ContainerState;

use crate::{error::ApiError, memory::lease_counts::LeaseCounts, state::App};

/// The counts, a few seconds old at most.
///
/// # Errors
/// Proxmox did not answer, or the store failed.
pub async fn count(app: &App) -> Result<LeaseCounts, ApiError> {
    let usage = app.proxmox.recent_usage([]).await?;
    let mut last = app.lease_counts.0.lock().await;
    if let Some(counts) = &*last
        && Arc::ptr_eq(&counts.usage, &usage)
    {
        return Ok(counts.clone());
    }
    let leased = app.store.leased_numbers().await?;
    let runs = |vmid| {
        let usage = usage.of(vmid);
        usage.is_some_and(|usage| usage.state == ContainerState::Running)
    };
    let running = leased
        .iter()
        .filter(|(id, vmid)| runs(*vmid) && !app.alarms.may_be_another(id))
        .count();
    let counts = LeaseCounts {
        total: u32::try_from(leased.len()).unwrap_or(u32::MAX),
        running: u32::try_from(running).unwrap_or(u32::MAX),
        usage: Arc::clone(&usage),
    };
    *last = Some(counts.clone());
    Ok(counts)
}
