//! A concurrency limit in total and for each caller's network, so that one caller cannot use up the
//! total.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::caller::network_of;

/// A concurrency limit. Clones share the count.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    total: usize,
    per_network: usize,
    held: Arc<Mutex<HeldPermits>>,
}

#[derive(Debug, Default)]
struct HeldPermits {
    total: usize,
    networks: HashMap<IpAddr, usize>,
}

/// A permit, released when it is dropped.
#[derive(Debug)]
pub struct ConcurrencyPermit {
    network: Option<IpAddr>,
    held: Arc<Mutex<HeldPermits>>,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// The caller's network has all the permits that one network may have.
    PerNetwork,
    /// All permits are taken.
    Total,
}

impl ConcurrencyLimit {
    /// A limit of `total` permits, and of `per_network` for the callers of one network.
    pub fn new(total: usize, per_network: usize) -> Self {
        Self {
            total,
            per_network,
            held: Arc::default(),
        }
    }

    /// Takes a permit for a caller at this address. Without an address only the total limit
    /// applies.
    ///
    /// # Errors
    /// One of the two limits is reached.
    pub fn acquire(&self, caller: Option<IpAddr>) -> Result<ConcurrencyPermit, Exceeded> {
        let network = caller.map(network_of);
        let mut held = lock(&self.held);
        if held.total >= self.total {
            return Err(Exceeded::Total);
        }
        if let Some(network) = network {
            let of_network = held.networks.get(&network).copied().unwrap_or_default();
            if of_network >= self.per_network {
                return Err(Exceeded::PerNetwork);
            }
            held.networks.insert(network, of_network + 1);
        }
        held.total += 1;
        Ok(ConcurrencyPermit {
            network,
            held: Arc::clone(&self.held),
        })
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        held.total -= 1;
        let Some(network) = self.network else {
            return;
        };
        if let Some(count) = held.networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                held.networks.remove(&network);
            }
        }
    }
}

fn lock(held: &Mutex<HeldPermits>) -> MutexGuard<'_, HeldPermits> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_network_cannot_take_all_permits() {
        let limit = ConcurrencyLimit::new(3, 2);
        let (one, other) = (address("2001:db8::1"), address("192.0.2.7"));
        let neighbour = address("2001:db8::ffff:2");
        let first = limit.acquire(one).unwrap();
        let _second = limit.acquire(neighbour).unwrap();
        assert_eq!(limit.acquire(one).unwrap_err(), Exceeded::PerNetwork);
        let _third = limit.acquire(other).unwrap();
        assert_eq!(limit.acquire(other).unwrap_err(), Exceeded::Total);
        drop(first);
        let fourth = limit.acquire(other).unwrap();
        assert_eq!(limit.acquire(None).unwrap_err(), Exceeded::Total);
        drop(fourth);
        let _nobodys = limit.acquire(None).unwrap();
    }

    #[test]
    fn networks_without_permits_are_forgotten() {
        let limit = ConcurrencyLimit::new(9, 9);
        for last in 0..200 {
            drop(limit.acquire(Some([192, 0, 2, last].into())).unwrap());
        }
        let held = lock(&limit.held);
        assert_eq!((held.total, held.networks.len()), (0, 0));
    }
}
