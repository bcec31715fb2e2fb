//! Limits of a server for each client: connections at a time, and timeouts of a request.

use std::net::IpAddr;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::concurrency::{ConcurrencyLimit, ConcurrencyPermit, Exceeded};

/// Connections at a time, where the system lets the process have enough files open.
const CONNECTIONS: usize = 2048;
/// The same from one network that is no proxy of ours. A browser opens six; a company, or a
/// provider that shares one address among its customers, has many browsers.
const PER_NETWORK: usize = 256;
/// Half of the files that the process may have open are left for everything else.
const SHARE_OF_FILES: u64 = 2;

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest wait for the whole head of a request, from the connection or the request before
    /// on.
    pub head: Duration,
    /// The longest wait for the whole body of a request, from its head on.
    pub body: Duration,
    /// How long a client may leave unread what is sent to it.
    pub unread: Duration,
    /// Connections at a time, those that have become WebSockets not included.
    pub connections: usize,
    /// Connections at a time from one network. For this machine itself, where a proxy may be, only
    /// the bound on all of them counts.
    pub per_network: usize,
}

impl Default for Limits {
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

impl Limits {
    /// The limits of a service behind so many proxies of ours. One that has any gets all of its
    /// connections from them, so only their sum is bounded.
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
    pub(super) fn new(limits: &Limits) -> Self {
        Self(ConcurrencyLimit::new(
            limits.connections,
            limits.per_network,
        ))
    }

    /// A permit for a connection from this address, if there is one.
    pub(super) fn place(&self, peer: IpAddr) -> Option<ConcurrencyPermit> {
        let peer = peer.to_canonical();
        let permit = self.0.acquire((!peer.is_loopback()).then_some(peer));
        let refused = |exceeded| {
            let bound = match exceeded {
                Exceeded::PerNetwork => "address",
                Exceeded::Total => "total",
            };
            // Not logged one by one: a flood of connections would flood the log.
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
    fn one_network_leaves_connections_for_the_others_and_for_this_machine() {
        let connections = Connections::new(&Limits {
            connections: 6,
            per_network: 2,
            ..Limits::default()
        });
        let one = address("2001:db8::1");
        let held: Vec<_> = std::iter::from_fn(|| connections.place(one))
            .take(9)
            .collect();
        assert_eq!(held.len(), 2);
        let other = connections.place(address("192.0.2.7"));
        assert!(other.is_some());
        let loopback = address("::ffff:127.0.0.1");
        let here: Vec<_> = std::iter::from_fn(|| connections.place(loopback))
            .take(9)
            .collect();
        assert_eq!(here.len(), 3);
        assert!(connections.place(address("192.0.2.8")).is_none());
        drop(held);
        assert!(connections.place(one).is_some());
    }

    #[test]
    fn a_proxy_may_have_all_connections() {
        let bare = Limits::behind(0);
        assert!(bare.per_network < bare.connections, "{bare:?}");
        let behind = Limits::behind(1);
        assert_eq!(behind.per_network, behind.connections);
    }
}
