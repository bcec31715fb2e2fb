//! The ways that are tried, the layers they are tried against, and which is open where. The same
//! table is in docs/TENANTS.md.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::lab::Way;

/// A host with some layers of the fence.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Its word on the command line.
    pub name: &'static str,
    /// Its column's title.
    pub title: &'static str,
    /// The bridge's ports are isolated, as those of a VNet with `isolate-ports`.
    pub isolated: bool,
    /// The printed table is loaded.
    pub table: bool,
    /// Each port passes its own address only, as with the option `ipfilter` of Proxmox's firewall.
    pub ipfilter: bool,
    /// The host knows the tenants' hardware addresses for good.
    pub pinned: bool,
}

const BARE: Stage = Stage {
    name: "plain",
    title: "plain bridge, NAT",
    isolated: false,
    table: false,
    ipfilter: false,
    pinned: false,
};

/// From nothing to everything.
pub const STAGES: [Stage; 6] = [
    BARE,
    Stage {
        name: "vnet",
        title: "VNet, isolated ports, NAT",
        isolated: true,
        ..BARE
    },
    Stage {
        name: "plain-table",
        title: "plain bridge, table",
        table: true,
        ..BARE
    },
    Stage {
        name: "table",
        title: "VNet, table",
        isolated: true,
        table: true,
        ..BARE
    },
    Stage {
        name: "pinned",
        title: "VNet, table, fixed neighbours",
        isolated: true,
        table: true,
        pinned: true,
        ..BARE
    },
    Stage {
        name: "ipfilter",
        title: "VNet, table, ipfilter",
        isolated: true,
        table: true,
        ipfilter: true,
        ..BARE
    },
];

/// The stage of a name.
pub fn stage(name: &str) -> Result<Stage> {
    let stage = STAGES.into_iter().find(|stage| stage.name == name);
    stage.with_context(|| format!("there is no stage {name:?}"))
}

/// One way, and where it is open.
pub struct Row {
    /// What the reader sees.
    pub title: &'static str,
    /// How it is tried.
    pub way: Way,
    open: fn(Stage) -> bool,
}

const fn row(title: &'static str, way: Way, open: fn(Stage) -> bool) -> Row {
    Row { title, way, open }
}

const fn from_tenant(address: &'static str, name: &'static str) -> Way {
    Way::Tcp {
        from: "a",
        address,
        name,
    }
}

const UNFENCED: fn(Stage) -> bool = |stage| !stage.table;
const SAME_BRIDGE: fn(Stage) -> bool = |stage| !stage.isolated;
const ALWAYS: fn(Stage) -> bool = |_| true;

/// Every way, those that must be closed first. The order is that in which they are tried.
pub const ROWS: [Row; 27] = [
    row(
        "tenant → tenant :22, on the bridge",
        from_tenant("10.64.0.11:22", "b"),
        SAME_BRIDGE,
    ),
    row(
        "the same by IPv6",
        from_tenant("[fd64::11]:22", "b"),
        SAME_BRIDGE,
    ),
    row(
        "tenant → tenant :22, by way of the gateway",
        Way::ByGateway,
        UNFENCED,
    ),
    row(
        "tenant → host :8006, at the gateway's address",
        from_tenant("10.64.0.1:8006", "host"),
        UNFENCED,
    ),
    row(
        "tenant → host :8006, at its address in the LAN",
        from_tenant("192.168.7.2:8006", "host"),
        UNFENCED,
    ),
    row(
        "tenant → host :22",
        from_tenant("10.64.0.1:22", "host"),
        UNFENCED,
    ),
    row(
        "tenant → host :8006, by IPv6",
        from_tenant("[fd64::1]:8006", "host"),
        UNFENCED,
    ),
    row(
        "tenant → LAN, router :80",
        from_tenant("192.168.7.1:80", "net"),
        UNFENCED,
    ),
    row(
        "tenant → LAN, file server :445",
        from_tenant("192.168.7.50:445", "nas"),
        UNFENCED,
    ),
    row(
        "tenant → 169.254.169.254 :80 (metadata)",
        from_tenant("169.254.169.254:80", "net"),
        UNFENCED,
    ),
    row(
        "tenant → internet :25",
        from_tenant("203.0.113.9:25", "net"),
        UNFENCED,
    ),
    row(
        "tenant → internet :465",
        from_tenant("203.0.113.9:465", "net"),
        UNFENCED,
    ),
    row(
        "tenant → internet :587",
        from_tenant("203.0.113.9:587", "net"),
        UNFENCED,
    ),
    row(
        "tenant → internet :443, by IPv6",
        from_tenant("[2001:db8:9::9]:443", "net"),
        UNFENCED,
    ),
    row(
        "LAN, file server → tenant :22",
        Way::Tcp {
            from: "nas",
            address: "10.64.0.10:22",
            name: "a",
        },
        UNFENCED,
    ),
    row(
        "GUEST_SSH_SOURCE → tenant :80",
        Way::Tcp {
            from: "proxy",
            address: "10.64.0.10:80",
            name: "a",
        },
        UNFENCED,
    ),
    row(
        "tenant → internet, beyond 2000 connections at once",
        Way::Flood,
        UNFENCED,
    ),
    row(
        "packets with an address of the LAN as source",
        Way::Claim("192.168.7.99"),
        UNFENCED,
    ),
    row(
        "packets with a neighbour's address as source",
        Way::Claim("10.64.0.10"),
        |stage| !stage.ipfilter,
    ),
    row(
        "taking over a neighbour's address by ARP",
        Way::Takeover,
        |stage| !stage.ipfilter && !stage.pinned,
    ),
    row(
        "GUEST_SSH_SOURCE → tenant :22",
        Way::Tcp {
            from: "proxy",
            address: "10.64.0.10:22",
            name: "a",
        },
        ALWAYS,
    ),
    row(
        "host → tenant :22",
        Way::Tcp {
            from: "host",
            address: "10.64.0.10:22",
            name: "a",
        },
        ALWAYS,
    ),
    row(
        "tenant → public resolver :53, UDP",
        Way::Udp {
            from: "a",
            address: "9.9.9.9:53",
            name: "net",
        },
        ALWAYS,
    ),
    row(
        "tenant → public resolver :53, TCP",
        from_tenant("9.9.9.9:53", "net"),
        ALWAYS,
    ),
    row(
        "tenant → internet :443",
        from_tenant("203.0.113.9:443", "net"),
        ALWAYS,
    ),
    row(
        "tenant → internet :80",
        from_tenant("203.0.113.9:80", "net"),
        ALWAYS,
    ),
    row(
        "tenant → internet :22",
        from_tenant("203.0.113.9:22", "net"),
        ALWAYS,
    ),
];

/// The table in Markdown.
pub fn rendered(open: &dyn Fn(usize, usize) -> bool) -> String {
    let mut text = String::from("| Way |");
    for stage in STAGES {
        let _ = write!(text, " {} |", stage.title);
    }
    text += "\n| --- |";
    text += &" --- |".repeat(STAGES.len());
    text.push('\n');
    for (number, row) in ROWS.iter().enumerate() {
        let _ = write!(text, "| {} |", row.title);
        for stage in 0..STAGES.len() {
            let word = if open(number, stage) {
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

/// What is not as promised.
pub fn wrong(seen: &[Vec<bool>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (stage, seen) in STAGES.into_iter().zip(seen) {
        for (row, &open) in ROWS.iter().zip(seen) {
            if open != (row.open)(stage) {
                let word = if open { "open" } else { "closed" };
                wrong.push(format!("{}: {} is {word}", stage.title, row.title));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promised() -> Vec<Vec<bool>> {
        let column = |stage: Stage| ROWS.iter().map(|row| (row.open)(stage)).collect();
        STAGES.into_iter().map(column).collect()
    }

    #[test]
    fn the_document_for_operators_shows_this_table() {
        let path = crate::workspace::root().join("docs/TENANTS.md");
        let text = std::fs::read_to_string(path).unwrap();
        let promised = promised();
        let table = rendered(&|row, stage| promised[stage][row]);
        assert!(text.contains(&table), "docs/TENANTS.md lacks:\n{table}");
    }

    #[test]
    fn every_way_that_is_ever_closed_is_open_somewhere() {
        // Else a try that can never succeed would pass for a closed way.
        assert!(ROWS.iter().all(|row| (row.open)(BARE)));
    }

    #[test]
    fn one_way_that_is_open_or_closed_against_the_promise_is_named() {
        let mut seen = promised();
        assert!(wrong(&seen).is_empty());
        seen[3][7] = true;
        seen[5][24] = false;
        assert_eq!(
            wrong(&seen),
            [
                "VNet, table: tenant → LAN, router :80 is open",
                "VNet, table, ipfilter: tenant → internet :443 is closed",
            ]
        );
    }
}
