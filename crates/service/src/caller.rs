//! Identifies callers by address, and limits the rate of each.
//!
//! An address is taken from a header only if a trusted party wrote it: the proxies that
//! `TRUSTED_PROXIES` counts, or another service of the operator, which proves itself by the shared
//! secret.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{Extensions, HeaderMap};

use crate::crypto;

mod rate;

pub use rate::RateLimit;

/// The header in which a service of the operator passes on its own caller's address.
pub const CLIENT_ADDRESS: &str = "x-infra402-client";
/// The header that proves that the caller is a service of the operator. It holds the shared secret
/// `SERVICES_SECRET`.
pub const SERVICES_SECRET: &str = "x-infra402-services-secret";

/// The address that a request came from: the peer's, or behind `proxies` trusted proxies the
/// address that the outermost of them saw. Entries further left in `X-Forwarded-For` are the
/// caller's own claim.
pub fn address(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let Some(skip) = proxies.checked_sub(1) else {
        return peer;
    };
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    forwarded
        .iter()
        .rev()
        .nth(skip)
        .and_then(|address| address.trim().parse().ok())
        .unwrap_or(peer)
}

/// The peer of a connection, from the request's extensions, where `axum` puts it. Without a socket,
/// as in tests of the bare router, all callers have the same address.
pub fn peer(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>();
    peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip())
}

/// A caller, as far as it is identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A caller at this address, counted by its network.
    Address(IpAddr),
    /// A service of the operator that names no caller. It is not counted as one caller, because all
    /// of its customers would then share one limit.
    Service,
}

/// The caller: the address that a service of the operator passes on, if it proves itself by
/// `secret`; otherwise [`address`].
pub fn caller(peer: IpAddr, headers: &HeaderMap, proxies: usize, secret: Option<&str>) -> Caller {
    let proven = match (secret, headers.get(SERVICES_SECRET)) {
        (Some(secret), Some(given)) => crypto::same(secret.as_bytes(), given.as_bytes()),
        _ => false,
    };
    if !proven {
        return Caller::Address(address(peer, headers, proxies));
    }
    headers
        .get(CLIENT_ADDRESS)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .map_or(Caller::Service, Caller::Address)
}

/// The network that counts as one caller. For IPv6 it is the /64, because a customer usually has
/// all of its addresses.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

    #[test]
    fn addresses_of_one_network_are_one_caller() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn only_entries_of_trusted_proxies_are_used() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("6.6.6.6, 1.2.3.4, 10.0.0.8");
        headers.insert("x-forwarded-for", value);
        let seen = |proxies| address(PEER, &headers, proxies).to_string();
        assert_eq!([0, 1, 2].map(seen), ["10.0.0.9", "10.0.0.8", "1.2.3.4"]);
        assert_eq!(
            seen(9),
            "10.0.0.9",
            "a header that is too short is no proof"
        );
    }

    #[test]
    fn a_passed_on_address_counts_only_with_the_shared_secret() {
        let mut headers = HeaderMap::new();
        headers.insert(CLIENT_ADDRESS, HeaderValue::from_static("1.2.3.4"));
        let seen = |headers: &HeaderMap, secret| caller(PEER, headers, 0, secret);
        assert_eq!(seen(&headers, Some("s")), Caller::Address(PEER));
        headers.insert(SERVICES_SECRET, HeaderValue::from_static("wrong"));
        assert_eq!(seen(&headers, Some("s")), Caller::Address(PEER));
        headers.insert(SERVICES_SECRET, HeaderValue::from_static("s"));
        assert_eq!(
            seen(&headers, Some("s")),
            Caller::Address([1, 2, 3, 4].into())
        );
        assert_eq!(
            seen(&headers, None),
            Caller::Address(PEER),
            "no secret, no belief"
        );
        headers.remove(CLIENT_ADDRESS);
        assert_eq!(seen(&headers, Some("s")), Caller::Service);
    }
}
