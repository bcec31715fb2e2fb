//! Which addresses the service connects to as a container's. Without `PVE_NETWORK` an address is
//! what the container says of itself, so root in it could have the service connect to port 22 of any
//! host. The host key keeps such a host from being taken for the container; here the hosts
//! that must not even be connected to are left out.

use std::net::{IpAddr, Ipv6Addr, UdpSocket};

use ::guest::Dialer;

use crate::{
    config::{GuestConfig, ProxmoxConfig},
    state::App,
    store::AddressPool,
};

/// Metadata services of clouds that no range below has: Alibaba, Azure, and AWS over IPv6.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(std::net::Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether the service may connect to this address as a container's.
pub(super) async fn is_allowed(app: &App, address: IpAddr) -> bool {
    let pool = app.proxmox.config.address_pool();
    if !could_be_a_container(address, pool.as_ref()) || is_own(address) {
        return false;
    }
    let names = names(&app.proxmox.config, &app.config.guest);
    let hosts = app.host_addresses.of(&names).await;
    !hosts.contains(&address.to_canonical())
}

/// Whether a container can have this address: one of those that the service gives where it gives
/// them, and none with a meaning of its own in any case.
fn could_be_a_container(address: IpAddr, pool: Option<&AddressPool>) -> bool {
    let address = address.to_canonical();
    let special = match address {
        IpAddr::V4(v4) => {
            // 0.0.0.0/8 is this host, 240.0.0.0/4 is reserved.
            v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.octets()[0] == 0
                || v4.octets()[0] >= 240
        }
        IpAddr::V6(v6) => {
            // ::/64 has loopback and the unspecified address; 64:ff9b::/32 and 2002::/16 lead to
            // addresses of IPv4.
            v6.segments()[..4] == [0; 4]
                || v6.segments()[..2] == [0x64, 0xff9b]
                || v6.segments()[0] == 0x2002
                || v6.is_unicast_link_local()
                || v6.is_multicast()
        }
    };
    let given = match (pool, address) {
        (None, _) => true,
        (Some(pool), IpAddr::V4(v4)) => {
            let others = || pool.others.iter().any(|others| others.contains(&address));
            pool.range.contains(&v4) && !others()
        }
        (Some(_), IpAddr::V6(_)) => false,
    };
    given && !special && !METADATA.contains(&address)
}

/// Whether this machine has the address: then it would be its own sender. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let sender = UdpSocket::bind((any, 0)).and_then(|socket| {
        // The discard port.
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    sender.is_ok_and(|sender| sender.ip() == address)
}

/// The hosts that the operator has named and that are no containers: that of the Proxmox API, and
/// the proxy into the containers' network.
fn names(proxmox: &ProxmoxConfig, guest: &GuestConfig) -> Vec<String> {
    let url = url::Url::parse(&proxmox.host).ok();
    let mut names: Vec<String> = url
        .and_then(|url| url.host_str().map(str::to_owned))
        .into_iter()
        .collect();
    if let Dialer::Socks5 { host, .. } = &guest.dialer {
        names.push(host.clone());
    }
    for name in &mut names {
        *name = name.trim_matches(['[', ']']).to_owned();
    }
    names
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_with_a_meaning_of_its_own_is_no_containers() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.1.1",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            let address = text.parse().unwrap();
            assert!(!could_be_a_container(address, None), "{text}");
        }
        for text in [
            "10.0.0.7",
            "192.168.1.7",
            "100.64.0.7",
            "fd12::7",
            "2001:db8::7",
        ] {
            let address = text.parse().unwrap();
            assert!(could_be_a_container(address, None), "{text}");
        }
    }

    #[test]
    fn where_the_service_gives_addresses_only_those_are_containers() {
        let pool = AddressPool {
            range: Ipv4Addr::new(10, 64, 0, 1)..=Ipv4Addr::new(10, 64, 15, 254),
            others: vec![IpAddr::V4(Ipv4Addr::new(10, 64, 0, 1)).into()],
        };
        for (text, allowed) in [
            ("10.64.0.2", true),
            ("10.64.15.254", true),
            ("10.64.0.1", false),
            ("10.64.16.1", false),
            ("192.168.1.7", false),
            ("fd12::7", false),
        ] {
            let address = text.parse().unwrap();
            assert_eq!(
                could_be_a_container(address, Some(&pool)),
                allowed,
                "{text}"
            );
        }
    }

    #[test]
    fn an_address_of_this_machine_is_known_to_be_one() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        // For documentation: no machine has it.
        assert!(!is_own("192.0.2.1".parse().unwrap()));
    }
}
