//! All connections to all guests, by lease.
//!
//! By lease and never by address: addresses are used again, and a guest can claim another's.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::dialer::Dialer;
use crate::error::GuestError;
use crate::key::GuestKey;
use crate::lease::Lease;
use crate::pin::HostKeys;

/// Where a lease's guest is, and how to know it.
#[derive(Debug, Clone)]
pub struct GuestTarget {
    /// The lease's id: the connections are kept under it.
    pub lease_id: String,
    /// The guest's address. It need not be trusted.
    pub address: IpAddr,
    /// The port of its SSH server, 22 as a rule.
    pub port: u16,
    /// The lease's key.
    pub key: GuestKey,
    /// The guest's host keys.
    pub host_keys: HostKeys,
}

/// Time limits of the pool.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long an operation waits for a free connection before [`GuestError::TooMany`].
    pub wait: Duration,
    /// When an idle control connection is closed.
    pub control_idle: Duration,
    /// When an idle stream connection is closed. Each takes 2.6 MB of the customer's memory.
    pub stream_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(10),
            control_idle: Duration::from_secs(300),
            stream_idle: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// How often idle connections are looked for.
    pub(crate) fn sweep(&self) -> Duration {
        let shortest = self.control_idle.min(self.stream_idle);
        (shortest / 3).clamp(Duration::from_millis(20), Duration::from_secs(10))
    }
}

/// Open connections, for a gauge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Shared connections.
    pub control: usize,
    /// Connections with one channel each, idle ones included.
    pub stream: usize,
    /// Connections of both kinds without a channel.
    pub idle: usize,
}

/// The connections to all guests. Clones share them.
#[derive(Clone)]
pub struct GuestConnections(Arc<Pool>);

struct Pool {
    shared: Arc<Shared>,
    leases: Mutex<HashMap<String, Arc<Lease>>>,
}

pub(crate) struct Shared {
    pub(crate) dialer: Dialer,
    pub(crate) limits: Limits,
    /// The user to log in as.
    pub(crate) login: String,
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

    /// The connections of the target's lease. Those to another address, or to a guest with other
    /// host keys, are ended.
    fn lease(&self, target: &GuestTarget) -> Arc<Lease> {
        let mut leases = self.leases();
        if let Some(lease) = leases.get(&target.lease_id) {
            let known = &lease.target;
            let same = known.address == target.address
                && known.port == target.port
                && known.host_keys == target.host_keys;
            if same {
                return lease.clone();
            }
            lease.close();
        }
        let lease = Lease::new(self.0.shared.clone(), target.clone());
        leases.insert(target.lease_id.clone(), lease.clone());
        lease
    }
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
        self.lease().session().await.map(drop)
    }

    pub(crate) fn lease(&self) -> Arc<Lease> {
        self.connections.lease(&self.target)
    }
}
