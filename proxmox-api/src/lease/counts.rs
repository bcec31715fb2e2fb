//! How many containers are leased, and how many of them run. The numbers are public, so concurrent requests share one count.

use std::sync::Arc;

use pve::ContainerState;
use tokio::sync::Mutex;

use super::view::is_other;
use crate::{error::ApiError, proxmox::RecentUsage, state::App};

/// Leases whose container may be used or is kept.
#[derive(Debug, Clone)]
pub struct LeaseCounts {
    /// All of them.
    pub total: u32,
    /// Those whose container runs.
    pub running: u32,
    /// The containers as Proxmox showed them.
    pub usage: Arc<RecentUsage>,
}

/// The last count. It is good for as long as the look at the containers that it was made of.
#[derive(Default)]
pub struct RecentCounts(Mutex<Option<LeaseCounts>>);

impl RecentCounts {
    /// The counts, a few seconds old at most. Concurrent callers share one count.
    ///
    /// # Errors
    /// Proxmox did not answer, or the store failed.
    pub async fn of(&self, app: &App) -> Result<LeaseCounts, ApiError> {
        let usage = app.proxmox.recent_usage([]).await?;
        let mut kept = self.0.lock().await;
        if let Some(counts) = &*kept
            && Arc::ptr_eq(&counts.usage, &usage)
        {
            return Ok(counts.clone());
        }
        let leased = app.store.leased_numbers().await?;
        let runs = |vmid| {
            let seen = usage.of(vmid);
            seen.is_some_and(|usage| usage.state == ContainerState::Running)
        };
        let running = leased
            .iter()
            .filter(|(id, vmid)| runs(*vmid) && !is_other(app.alarms.of(id)))
            .count();
        let counts = LeaseCounts {
            total: u32::try_from(leased.len()).unwrap_or(u32::MAX),
            running: u32::try_from(running).unwrap_or(u32::MAX),
            usage: Arc::clone(&usage),
        };
        *kept = Some(counts.clone());
        Ok(counts)
    }
}
