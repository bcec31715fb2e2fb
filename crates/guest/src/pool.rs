//! All connections to all guests, by lease.
//!
//! By lease and never by address: addresses are used again, and a guest can claim another's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::dialer::Dialer;
use crate::error::GuestError;
use crate::lease::Lease;
use crate::target::{ConnectionCounts, GuestTarget, Limits, Shared};

/// The connections to all guests. Clones share them.
#[derive(Clone)]
pub struct GuestConnections(Arc<Pool>);

struct Pool {
    shared: Arc<Shared>,
    leases: Mutex<HashMap<String, Arc<Lease>>>,
}

impl GuestConnections {
    /// An empty pool that logs in as root.
    pub fn new(dialer: Dialer, limits: Limits) -> Self {
        Self::with_login(dialer, limits, "root")
    }

    /// An empty pool that logs in as another user.
    pub fn with_login(dialer: Dialer, limits: Limits, login: impl Into<String>) -> Self {
        let login = login.into();
        let shared = Arc::new(Shared {
            dialer,
            limits,
            login,
        });
        let leases = Mutex::default();
        Self(Arc::new(Pool { shared, leases }))
    }

    /// A guest. Nothing is dialled before it is used.
    pub fn guest(&self, target: GuestTarget) -> Guest {
        Guest {
            connections: self.clone(),
            target,
        }
    }

    /// Ends all connections of a lease: it ended, its guest was stopped, or has another address.
    pub fn forget(&self, lease_id: &str) {
        let lease = self.leases().remove(lease_id);
        if let Some(lease) = lease {
            lease.close();
        }
    }

    /// The leases that connections or the results of logins are kept of.
    pub fn lease_ids(&self) -> Vec<String> {
        self.leases().keys().cloned().collect()
    }

    /// How many connections are open.
    pub fn counts(&self) -> ConnectionCounts {
        let leases: Vec<_> = self.leases().values().cloned().collect();
        leases
            .iter()
            .fold(ConnectionCounts::default(), |sum, lease| {
                let counts = lease.counts();
                ConnectionCounts {
                    control: sum.control + counts.control,
                    stream: sum.stream + counts.stream,
                    idle: sum.idle + counts.idle,
                }
            })
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Arc<Lease>>> {
        self.0.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connections to this very target, if there are any.
    fn known(&self, target: &GuestTarget) -> Option<Arc<Lease>> {
        let lease = self.leases().get(&target.lease_id)?.clone();
        is_same(lease.target(), target).then_some(lease)
    }

    /// The connections of the target's lease. Those to another address, or to a guest with other
    /// host keys, are ended.
    fn lease(&self, target: &GuestTarget) -> Arc<Lease> {
        let mut leases = self.leases();
        if let Some(lease) = leases.get(&target.lease_id) {
            if is_same(lease.target(), target) {
                return lease.clone();
            }
            lease.close();
        }
        let lease = Arc::new(Lease::new(self.0.shared.clone(), target.clone()));
        leases.insert(target.lease_id.clone(), lease.clone());
        lease
    }
}

/// Whether two targets of a lease are the same guest at the same place.
fn is_same(known: &GuestTarget, target: &GuestTarget) -> bool {
    known.address == target.address
        && known.port == target.port
        && known.host_keys == target.host_keys
}

impl fmt::Debug for GuestConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestConnections")
            .field("dialer", &self.0.shared.dialer)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// One lease's guest. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guest {
    connections: GuestConnections,
    target: GuestTarget,
}

impl Guest {
    /// Where the guest is.
    pub fn target(&self) -> &GuestTarget {
        &self.target
    }

    /// Logs in, if no connection is open yet. Tells whether and why not SSH works.
    ///
    /// # Errors
    /// Those of a connection and a login: nothing ran.
    pub async fn probe(&self) -> Result<(), GuestError> {
        if self.is_busy() {
            return Ok(());
        }
        self.lease().session().await.map(drop)
    }

    /// Whether SSH works and every session of the open connections is in use, so that one more has
    /// to wait.
    pub fn is_busy(&self) -> bool {
        self.connections
            .known(&self.target)
            .is_some_and(|lease| lease.is_busy())
    }

    /// Whether a connection to this very target is open: the guest is there.
    pub fn is_connected(&self) -> bool {
        self.connections
            .known(&self.target)
            .is_some_and(|lease| lease.is_connected())
    }

    pub(crate) fn lease(&self) -> Arc<Lease> {
        self.connections.lease(&self.target)
    }

    pub(crate) fn check_interval(&self) -> Duration {
        self.connections.0.shared.limits.check
    }
}
