//! The last count of leases for the public page of statistics.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::proxmox::RecentUsage;

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
pub struct RecentCounts(pub Mutex<Option<LeaseCounts>>);
