//! The limits of a server: connections at a time, and timeouts of requests.

use std::net::IpAddr;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::concurrency::{ConcurrencyLimit, ConcurrencyPermit, Exceeded};

/// The maximum number of connections, if the system allows the process enough open files.
const CONNECTIONS: usize = 2048;
/// The maximum from one network that is not a trusted proxy. A browser opens six; a company, or a
/// provider that shares one address among its customers, has many browsers.
const PER_NETWORK: usize = 256;
/// The divisor of the open-file limit: connections may use half of it, the rest is for other uses.
const SHARE_OF_FILES: u64 = 2;

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// The timeout for the whole head of a request, from the connection or the previous request on.
    pub head: Duration,
    /// The timeout for the whole body of a request, from its head on.
    pub body: Duration,
    /// How long a client may leave sent data unread.
    pub unread: Duration,
    /// The maximum number of connections at a time, without those that became WebSockets.
    pub connections: usize,
    /// The maximum number of connections from one network. Connections from this machine, where a
    /// proxy may run, count only towards the total.
    pub per_network: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = usize::try_from(files / SHARE_OF_FILES).unwrap_or(usize::MAX);
        Self {
            head: Duration::from_secs(60),
            // A megabyte in this time is 35 KB a second.
            body: Duration::from_secs(30),
            unread: Duration::from_secs(60),
            connections: files.min(CONNECTIONS),
            per_network: PER_NETWORK,
        }
    }
}

impl ServerLimits {
    /// The limits of a service behind this number of trusted proxies. Behind a proxy all
    /// connections come from it, so only the total is limited.
    pub fn behind(proxies: usize) -> Self {
        let limits = Self::default();
        match proxies {
            0 => limits,
            _ => Self {
                per_network: limits.connections,
                ..limits
            },
        }
    }
}

/// The connections of one server.
#[derive(Debug)]
pub(super) struct Connections(ConcurrencyLimit);

impl Connections {
    pub(super) fn new(limits: &ServerLimits) -> Self {
        Self(ConcurrencyLimit::new(
            limits.connections,
            limits.per_network,
        ))
    }

    /// Takes a permit for a connection from this address, if one is free.
    pub(super) fn acquire(&self, peer: IpAddr) -> Option<ConcurrencyPermit> {
        let peer = peer.to_canonical();
        let permit = self.0.acquire((!peer.is_loopback()).then_some(peer));
        let refused = |exceeded| {
            let bound = match exceeded {
                Exceeded::PerNetwork => "address",
                Exceeded::Total => "total",
            };
            // Counted and not logged, because a flood of connections would flood the log.
            metrics::counter!("connections_refused_total", "bound" => bound).increment(1);
        };
        permit.map_err(refused).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_network_cannot_take_the_connections_of_others_and_of_this_machine() {
        let connections = Connections::new(&ServerLimits {
            connections: 6,
            per_network: 2,
            ..ServerLimits::default()
        });
        let one = address("2001:db8::1");
        let held: Vec<_> = std::iter::from_fn(|| connections.acquire(one))
            .take(9)
            .collect();
        assert_eq!(held.len(), 2);
        let other = connections.acquire(address("192.0.2.7"));
        assert!(other.is_some());
        let loopback = address("::ffff:127.0.0.1");
        let here: Vec<_> = std::iter::from_fn(|| connections.acquire(loopback))
            .take(9)
            .collect();
        assert_eq!(here.len(), 3);
        assert!(connections.acquire(address("192.0.2.8")).is_none());
        drop(held);
        assert!(connections.acquire(one).is_some());
    }

    #[test]
    fn a_proxy_may_use_all_connections() {
        let bare = ServerLimits::behind(0);
        assert!(bare.per_network < bare.connections, "{bare:?}");
        let behind = ServerLimits::behind(1);
        assert_eq!(behind.per_network, behind.connections);
    }
}
