//! Containers that are off and may have been shut down from inside. The comparison with Proxmox
//! fills this in; after five minutes it counts a container as switched off by its owner.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ids::LeaseId;

/// Containers of active leases that are seen off and may have been switched off inside: since when,
/// Unix seconds, by lease id.
#[derive(Default)]
pub struct SeenOff(Mutex<HashMap<LeaseId, i64>>);

impl SeenOff {
    /// Since when a lease's container is seen off.
    pub fn since(&self, lease_id: &LeaseId) -> Option<i64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(lease_id).copied()
    }

    /// Replaces all entries by those of the latest comparison.
    pub fn set(&self, all: HashMap<LeaseId, i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}
