//! Limits the files that are read or written at a time: each holds up to two mebibytes, and a
//! session of the container's SSH server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::LeaseId;

/// Transfers at a time for one lease.
const PER_LEASE: usize = 8;
/// Transfers at a time in this process.
const IN_ALL: usize = 64;
/// From so many on a lease gets no second one: a client may read or write as slowly as it likes,
/// and some leases could keep all others from their files.
const SHARED: usize = IN_ALL / 2;

/// The transfers under way; clones share them.
#[derive(Clone, Default)]
pub struct Transfers(Arc<Mutex<HashMap<LeaseId, usize>>>);

/// A transfer, until this is dropped.
pub struct TransferPermit {
    lease_id: LeaseId,
    transfers: Transfers,
}

impl Transfers {
    /// Lets a transfer begin; `None` if too many are under way.
    pub fn begin(&self, lease_id: &LeaseId) -> Option<TransferPermit> {
        let mut all = self.all();
        let of_lease = all.get(lease_id).copied().unwrap_or(0);
        let limit = if of_lease == 0 { IN_ALL } else { SHARED };
        if of_lease >= PER_LEASE || all.values().sum::<usize>() >= limit {
            return None;
        }
        all.insert(lease_id.clone(), of_lease + 1);
        Some(TransferPermit {
            lease_id: lease_id.clone(),
            transfers: self.clone(),
        })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<LeaseId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TransferPermit {
    fn drop(&mut self) {
        let mut all = self.transfers.all();
        if let Some(count) = all.get_mut(&self.lease_id) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.lease_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_and_all_together_have_so_many_and_no_more() {
        let transfers = Transfers::default();
        let lease = |number: usize| LeaseId::from(format!("lease-{number}"));
        let mut begun: Vec<_> = (0..PER_LEASE)
            .map(|_| transfers.begin(&lease(0)).unwrap())
            .collect();
        assert!(transfers.begin(&lease(0)).is_none());
        begun.pop();
        begun.push(transfers.begin(&lease(0)).unwrap());
        for number in 1..SHARED / PER_LEASE {
            begun.extend((0..PER_LEASE).map(|_| transfers.begin(&lease(number)).unwrap()));
        }
        for number in 10..10 + IN_ALL - SHARED {
            begun.push(transfers.begin(&lease(number)).unwrap());
            assert!(transfers.begin(&lease(number)).is_none(), "a second one");
        }
        assert!(transfers.begin(&lease(99)).is_none());
        drop(begun);
        assert!(transfers.all().is_empty());
        assert!(transfers.begin(&lease(99)).is_some());
    }
}
