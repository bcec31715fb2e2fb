//! The traffic paths that are tried, the variants of the fence, and where each path is open. The
//! same table is in docs/TENANTS.md.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

/// A host with some layers of the fence.
#[derive(Clone, Copy, Debug)]
pub struct FenceVariant {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its column's title.
    pub title: &'static str,
    /// The bridge's ports are isolated, as those of a VNet with `isolate-ports`.
    pub isolated: bool,
    /// The printed table is loaded.
    pub table: bool,
    /// Each port passes its own address only, as with the option `ipfilter` of Proxmox's firewall.
    pub ipfilter: bool,
    /// The host has permanent entries for the tenants' hardware addresses.
    pub pinned: bool,
}

const BARE: FenceVariant = FenceVariant {
    name: "plain",
    title: "plain bridge, NAT",
    isolated: false,
    table: false,
    ipfilter: false,
    pinned: false,
};

/// From no layer to all layers.
pub const VARIANTS: [FenceVariant; 6] = [
    BARE,
    FenceVariant {
        name: "vnet",
        title: "VNet, isolated ports, NAT",
        isolated: true,
        ..BARE
    },
    FenceVariant {
        name: "plain-table",
        title: "plain bridge, table",
        table: true,
        ..BARE
    },
    FenceVariant {
        name: "table",
        title: "VNet, table",
        isolated: true,
        table: true,
        ..BARE
    },
    FenceVariant {
        name: "pinned",
        title: "VNet, table, fixed neighbours",
        isolated: true,
        table: true,
        pinned: true,
        ..BARE
    },
    FenceVariant {
        name: "ipfilter",
        title: "VNet, table, ipfilter",
        isolated: true,
        table: true,
        ipfilter: true,
        ..BARE
    },
];

/// The variant of a name.
pub fn variant(name: &str) -> Result<FenceVariant> {
    let variant = VARIANTS.into_iter().find(|variant| variant.name == name);
    variant.with_context(|| format!("there is no variant {name:?}"))
}

/// A traffic path, by how it is tried.
#[derive(Clone, Copy, Debug)]
pub enum TrafficPath {
    /// A connection from a namespace, answered by the server of that name.
    Tcp {
        from: &'static str,
        address: &'static str,
        name: &'static str,
    },
    /// A datagram and its answer.
    Udp {
        from: &'static str,
        address: &'static str,
        name: &'static str,
    },
    /// Both tenants send what is for the other one to the gateway.
    ByGateway,
    /// The tenant `b` sends a datagram with this source, and it arrives.
    Claim(&'static str),
    /// The tenant `b` answers the host at the address of `a`.
    Takeover,
    /// The tenant `b` has more connections than one may have, and another.
    Flood,
}

/// One path, and on which variants it is open.
pub struct FenceCase {
    /// Its title in the table.
    pub title: &'static str,
    /// The path.
    pub path: TrafficPath,
    open: fn(FenceVariant) -> bool,
}

const fn case(title: &'static str, path: TrafficPath, open: fn(FenceVariant) -> bool) -> FenceCase {
    FenceCase { title, path, open }
}

const fn from_tenant(address: &'static str, name: &'static str) -> TrafficPath {
    TrafficPath::Tcp {
        from: "a",
        address,
        name,
    }
}

const WITHOUT_TABLE: fn(FenceVariant) -> bool = |variant| !variant.table;
const WITHOUT_ISOLATION: fn(FenceVariant) -> bool = |variant| !variant.isolated;
const ALWAYS: fn(FenceVariant) -> bool = |_| true;

/// Every path, those that must be closed first, in the order in which they are tried.
pub const CASES: [FenceCase; 27] = [
    case(
        "tenant → tenant :22, on the bridge",
        from_tenant("10.64.0.11:22", "b"),
        WITHOUT_ISOLATION,
    ),
    case(
        "the same by IPv6",
        from_tenant("[fd64::11]:22", "b"),
        WITHOUT_ISOLATION,
    ),
    case(
        "tenant → tenant :22, by way of the gateway",
        TrafficPath::ByGateway,
        WITHOUT_TABLE,
    ),
    case(
        "tenant → host :8006, at the gateway's address",
        from_tenant("10.64.0.1:8006", "host"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → host :8006, at its address in the LAN",
        from_tenant("192.168.7.2:8006", "host"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → host :22",
        from_tenant("10.64.0.1:22", "host"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → host :8006, by IPv6",
        from_tenant("[fd64::1]:8006", "host"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → LAN, router :80",
        from_tenant("192.168.7.1:80", "net"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → LAN, file server :445",
        from_tenant("192.168.7.50:445", "nas"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → 169.254.169.254 :80 (metadata)",
        from_tenant("169.254.169.254:80", "net"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → internet :25",
        from_tenant("203.0.113.9:25", "net"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → internet :465",
        from_tenant("203.0.113.9:465", "net"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → internet :587",
        from_tenant("203.0.113.9:587", "net"),
        WITHOUT_TABLE,
    ),
    case(
        "tenant → internet :443, by IPv6",
        from_tenant("[2001:db8:9::9]:443", "net"),
        WITHOUT_TABLE,
    ),
    case(
        "LAN, file server → tenant :22",
        TrafficPath::Tcp {
            from: "nas",
            address: "10.64.0.10:22",
            name: "a",
        },
        WITHOUT_TABLE,
    ),
    case(
        "GUEST_SSH_SOURCE → tenant :80",
        TrafficPath::Tcp {
            from: "proxy",
            address: "10.64.0.10:80",
            name: "a",
        },
        WITHOUT_TABLE,
    ),
    case(
        "tenant → internet, beyond 2000 connections at once",
        TrafficPath::Flood,
        WITHOUT_TABLE,
    ),
    case(
        "packets with an address of the LAN as source",
        TrafficPath::Claim("192.168.7.99"),
        WITHOUT_TABLE,
    ),
    case(
        "packets with a neighbour's address as source",
        TrafficPath::Claim("10.64.0.10"),
        |variant| !variant.ipfilter,
    ),
    case(
        "taking over a neighbour's address by ARP",
        TrafficPath::Takeover,
        |variant| !variant.ipfilter && !variant.pinned,
    ),
    case(
        "GUEST_SSH_SOURCE → tenant :22",
        TrafficPath::Tcp {
            from: "proxy",
            address: "10.64.0.10:22",
            name: "a",
        },
        ALWAYS,
    ),
    case(
        "host → tenant :22",
        TrafficPath::Tcp {
            from: "host",
            address: "10.64.0.10:22",
            name: "a",
        },
        ALWAYS,
    ),
    case(
        "tenant → public resolver :53, UDP",
        TrafficPath::Udp {
            from: "a",
            address: "9.9.9.9:53",
            name: "net",
        },
        ALWAYS,
    ),
    case(
        "tenant → public resolver :53, TCP",
        from_tenant("9.9.9.9:53", "net"),
        ALWAYS,
    ),
    case(
        "tenant → internet :443",
        from_tenant("203.0.113.9:443", "net"),
        ALWAYS,
    ),
    case(
        "tenant → internet :80",
        from_tenant("203.0.113.9:80", "net"),
        ALWAYS,
    ),
    case(
        "tenant → internet :22",
        from_tenant("203.0.113.9:22", "net"),
        ALWAYS,
    ),
];

/// The table in Markdown.
pub fn markdown(open: &dyn Fn(usize, usize) -> bool) -> String {
    let mut text = String::from("| Way |");
    for variant in VARIANTS {
        let _ = write!(text, " {} |", variant.title);
    }
    text += "\n| --- |";
    text += &" --- |".repeat(VARIANTS.len());
    text.push('\n');
    for (number, case) in CASES.iter().enumerate() {
        let _ = write!(text, "| {} |", case.title);
        for variant in 0..VARIANTS.len() {
            let word = if open(number, variant) {
                "open"
            } else {
                "closed"
            };
            let _ = write!(text, " {word} |");
        }
        text.push('\n');
    }
    text
}

/// The cases that differ from the promise.
pub fn mismatches(seen: &[Vec<bool>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (variant, seen) in VARIANTS.into_iter().zip(seen) {
        for (case, &open) in CASES.iter().zip(seen) {
            if open != (case.open)(variant) {
                let word = if open { "open" } else { "closed" };
                wrong.push(format!("{}: {} is {word}", variant.title, case.title));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promised() -> Vec<Vec<bool>> {
        let column =
            |variant: FenceVariant| CASES.iter().map(|case| (case.open)(variant)).collect();
        VARIANTS.into_iter().map(column).collect()
    }

    #[test]
    fn the_document_for_operators_shows_this_table() {
        let path = crate::workspace::root().join("docs/TENANTS.md");
        let text = std::fs::read_to_string(path).unwrap();
        let promised = promised();
        let table = markdown(&|case, variant| promised[variant][case]);
        assert!(text.contains(&table), "docs/TENANTS.md lacks:\n{table}");
    }

    #[test]
    fn every_way_that_is_ever_closed_is_open_somewhere() {
        // Else a try that can never succeed would pass for a closed way.
        assert!(CASES.iter().all(|case| (case.open)(BARE)));
    }

    #[test]
    fn one_way_that_is_open_or_closed_against_the_promise_is_named() {
        let mut seen = promised();
        assert!(mismatches(&seen).is_empty());
        seen[3][7] = true;
        seen[5][24] = false;
        assert_eq!(
            mismatches(&seen),
            [
                "VNet, table: tenant → LAN, router :80 is open",
                "VNet, table, ipfilter: tenant → internet :443 is closed",
            ]
        );
    }
}
