//! Which guest, and under which limits it is reached.

use std::net::IpAddr;
use std::time::Duration;

use crate::dialer::Dialer;
use crate::key::GuestKey;
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
    /// How long an operation waits for a free connection before `GuestError::TooMany`.
    pub wait: Duration,
    /// When an idle control connection is closed.
    pub control_idle: Duration,
    /// When an idle stream connection is closed. Each takes 2.6 MB of the customer's memory.
    pub stream_idle: Duration,
    /// While files are read or written, how often it is checked that the guest still answers; it is
    /// given up after twice that time without a sign of life.
    pub check: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(10),
            control_idle: Duration::from_secs(300),
            stream_idle: Duration::from_secs(30),
            check: Duration::from_secs(5),
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

/// What all leases have in common.
pub(crate) struct Shared {
    pub(crate) dialer: Dialer,
    pub(crate) limits: Limits,
    /// The user to log in as.
    pub(crate) login: String,
}
