//! The addresses a running container has.

use std::net::IpAddr;

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::path::ApiPath;

/// A network interface of a running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Such as `eth0`.
    pub name: String,
    /// The MAC address.
    pub hwaddr: Option<String>,
    /// All its addresses.
    pub addresses: Vec<Address>,
}

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Bits of the network.
    pub prefix: Option<u8>,
}

/// The address at which others reach a container: that of `eth0`, which is how its network
/// interface is named when it is made, or of the interfaces with this hardware address where the
/// customer has renamed it or put it below a bridge. Docker's and other programs' interfaces are
/// inside the container only.
pub fn address_of(interfaces: &[Interface], hwaddr: Option<&str>) -> Option<IpAddr> {
    let by_name = interfaces.iter().filter(|one| one.name == "eth0");
    let by_hwaddr = interfaces.iter().filter(|one| {
        let theirs = one.hwaddr.as_deref();
        hwaddr.is_some_and(|ours| theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(ours)))
    });
    by_name
        .chain(by_hwaddr)
        .flat_map(Interface::reachable)
        .next()
}

impl Interface {
    /// The addresses that others can reach: neither loopback nor link-local ones, IPv4 first. Right
    /// after a start there is none for some seconds.
    pub fn reachable(&self) -> Vec<IpAddr> {
        let mut found: Vec<IpAddr> = self
            .addresses
            .iter()
            .map(|address| address.ip)
            .filter(|ip| self.name != "lo" && is_reachable(ip))
            .collect();
        found.sort_by_key(IpAddr::is_ipv6);
        found
    }
}

fn is_reachable(ip: &IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(ip.is_loopback() || ip.is_unspecified() || link_local)
}

#[derive(Deserialize)]
struct RawInterface {
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_text")]
    hwaddr: Option<String>,
    #[serde(
        default,
        rename = "hardware-address",
        deserialize_with = "lenient::opt_text"
    )]
    hardware_address: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_text")]
    inet: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_text")]
    inet6: Option<String>,
    #[serde(
        default,
        rename = "ip-addresses",
        deserialize_with = "lenient::or_default"
    )]
    ip_addresses: Vec<RawAddress>,
}

#[derive(Default, Deserialize)]
struct RawAddress {
    #[serde(default, rename = "ip-address", deserialize_with = "lenient::opt_text")]
    ip_address: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    prefix: Option<u64>,
}

impl From<RawInterface> for Interface {
    fn from(raw: RawInterface) -> Self {
        let mut addresses: Vec<Address> = Vec::new();
        let listed = raw
            .ip_addresses
            .iter()
            .filter_map(|a| parse(a.ip_address.as_deref()?, a.prefix));
        // Older releases have only these two.
        let single = [&raw.inet, &raw.inet6]
            .into_iter()
            .flatten()
            .filter_map(|text| parse(text, None));
        for address in listed.chain(single) {
            if !addresses.iter().any(|known| known.ip == address.ip) {
                addresses.push(address);
            }
        }
        Self {
            name: raw.name,
            hwaddr: raw.hwaddr.or(raw.hardware_address),
            addresses,
        }
    }
}

fn parse(text: &str, prefix: Option<u64>) -> Option<Address> {
    let (ip, written) = match text.split_once('/') {
        Some((ip, prefix)) => (ip, prefix.parse().ok()),
        None => (text, None),
    };
    let prefix = prefix.and_then(|p| u8::try_from(p).ok()).or(written);
    Some(Address {
        ip: ip.trim().parse().ok()?,
        prefix,
    })
}

impl Client {
    /// The interfaces of a running container; none when it is stopped.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn interfaces(&self, node: &NodeName, vmid: Vmid) -> Result<Vec<Interface>, Error> {
        let raw: Option<Vec<RawInterface>> = self
            .get(ApiPath::lxc(node, vmid).seg("interfaces"), Vec::new())
            .await?;
        Ok(raw
            .unwrap_or_default()
            .into_iter()
            .map(Interface::from)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Interface {
        serde_json::from_value::<RawInterface>(json).unwrap().into()
    }

    #[test]
    fn addresses_are_read_from_both_shapes_once_each() {
        let seen = read(serde_json::json!({
            "name": "eth0", "hwaddr": "bc:24:11:00:00:01", "hardware-address": "bc:24:11:00:00:01",
            "inet": "10.0.0.5/24", "inet6": "fe80::1/64",
            "ip-addresses": [
                {"ip-address-type": "inet6", "ip-address": "fe80::1", "prefix": "64"},
                {"ip-address-type": "inet6", "ip-address": "fd00::5", "prefix": 64},
                {"ip-address-type": "inet", "ip-address": "10.0.0.5", "prefix": "24"},
            ],
        }));
        assert_eq!(seen.addresses.len(), 3);
        assert_eq!(seen.addresses[2].prefix, Some(24));
        assert_eq!(
            seen.reachable(),
            [
                "10.0.0.5".parse::<IpAddr>().unwrap(),
                "fd00::5".parse().unwrap()
            ]
        );
    }

    #[test]
    fn the_address_is_that_of_the_containers_own_interface() {
        let one = |name: &str, hwaddr: &str, inet: Option<&str>| {
            read(serde_json::json!({"name": name, "hwaddr": hwaddr, "inet": inet}))
        };
        let docker = one("docker0", "02:42:00:00:00:01", Some("172.17.0.1/16"));
        let ours = Some("BC:24:11:00:00:01");
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());

        let eth0 = one("eth0", "bc:24:11:00:00:01", Some("10.0.0.5/24"));
        assert_eq!(address_of(&[docker.clone(), eth0], None), ip("10.0.0.5"));
        let bare = one("eth0", "bc:24:11:00:00:01", None);
        assert_eq!(address_of(&[docker.clone(), bare.clone()], ours), None);
        // Below a bridge of the customer's, which has the address and the same hardware address.
        let bridge = one("br0", "bc:24:11:00:00:01", Some("10.0.0.6/24"));
        let all = [docker.clone(), bare, bridge];
        assert_eq!(address_of(&all, ours), ip("10.0.0.6"));
        assert_eq!(address_of(&all, None), None);
        let renamed = one("wan", "bc:24:11:00:00:01", Some("10.0.0.7/24"));
        assert_eq!(address_of(&[docker, renamed], ours), ip("10.0.0.7"));
    }

    #[test]
    fn an_interface_without_an_address_yet_has_none_reachable() {
        let link_local = read(serde_json::json!({"name": "eth0", "inet6": "fe80::1/64"}));
        assert!(link_local.reachable().is_empty());
        let loopback = read(serde_json::json!({"name": "lo", "inet": "127.0.0.1/8"}));
        assert!(loopback.reachable().is_empty());
    }
}
