//! The aims of the figures.

use std::fmt;

/// The aim of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// More than this.
    Over(f64),
    /// Less than this.
    Under(f64),
    /// Exactly this.
    Exactly(f64),
}

/// The figures that have an aim, by name.
const AIMS: [(&str, Aim); 37] = [
    ("402 challenges", Aim::Over(20_000.0)),
    ("paid calls, 1 at a time", Aim::Over(3_000.0)),
    ("paid calls, 16 at a time", Aim::Over(3_000.0)),
    ("paid calls, 64 at a time", Aim::Over(3_000.0)),
    ("valid payments refused", Aim::Exactly(0.0)),
    ("added to a lease, median", Aim::Under(250.0)),
    ("list, paid, median", Aim::Under(50.0)),
    ("Proxmox requests for a list", Aim::Exactly(1.0)),
    ("memory, idle", Aim::Under(30.0)),
    ("memory, under load", Aim::Under(80.0)),
    ("added to a request by the ingress, median", Aim::Under(3.0)),
    (
        "large body out of a published port, by the service's processor time",
        Aim::Over(100.0),
    ),
    (
        "large body into a published port, by the service's processor time",
        Aim::Over(100.0),
    ),
    (
        "memory for each idle WebSocket to a published port",
        Aim::Under(150.0),
    ),
    ("memory, containers that flood", Aim::Under(100.0)),
    ("deadline spread, 500 in a minute", Aim::Under(10.0)),
    ("PostgreSQL over SQLite", Aim::Over(0.6)),
    (
        "paid calls, PostgreSQL 1 ms away, 1 replicas",
        Aim::Over(500.0),
    ),
    ("two limited replicas over one", Aim::Over(1.6)),
    ("two limited replicas over one, 1 ms away", Aim::Over(1.7)),
    (
        "history, SQLite, least of all routes, c over a",
        Aim::Over(0.95),
    ),
    ("history, SQLite, memory, c over a", Aim::Under(1.05)),
    (
        "history, SQLite, others' lists, a wallet with 20,000 payments leasing, over a new one",
        Aim::Over(0.9),
    ),
    (
        "history, PostgreSQL, least of all routes, c over a",
        Aim::Over(0.95),
    ),
    ("history, PostgreSQL, memory, c over a", Aim::Under(1.05)),
    (
        "history, PostgreSQL, others' lists, a wallet with 20,000 payments leasing, over a new one",
        Aim::Over(0.9),
    ),
    ("warm command over SSH, median", Aim::Under(10.0)),
    ("warm command over SSH, p99", Aim::Under(30.0)),
    ("cold SSH connection, median", Aim::Under(150.0)),
    (
        "50 one-second commands at once, median",
        Aim::Under(3_000.0),
    ),
    (
        "command beside a console that nobody reads, over one without",
        Aim::Under(1.2),
    ),
    (
        "command beside a console that nobody reads, slowest",
        Aim::Under(1_000.0),
    ),
    ("file into a guest", Aim::Over(80.0)),
    ("file out of a guest", Aim::Over(80.0)),
    ("added to a turn, median", Aim::Under(5.0)),
    ("added to a turn with a tool, median", Aim::Under(5.0)),
    (FIRST_VISIT, Aim::Under(250.0)),
];

/// The bytes that a first visit loads, after brotli.
pub const FIRST_VISIT: &str = "first visit, brotli";

/// Figures that need a browser. They have no aim.
pub const BROWSER: [&str; 2] = ["first contentful paint", "time to interactive"];

impl Aim {
    /// The aim of a figure, if it has one.
    pub fn for_figure(name: &str) -> Option<Self> {
        AIMS.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, aim)| *aim)
    }

    /// The figures that have one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        AIMS.iter().map(|(name, _)| *name)
    }

    /// Whether a value meets the aim.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::Over(least) => value > least,
            Self::Under(most) => value < most,
            Self::Exactly(wanted) => (value - wanted).abs() < 1e-9,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(least) => write!(f, "over {least}"),
            Self::Under(most) => write!(f, "under {most}"),
            Self::Exactly(wanted) => write!(f, "{wanted}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_missed_at_its_very_edge() {
        assert!(Aim::Over(3.0).is_met(3.1) && !Aim::Over(3.0).is_met(3.0));
        assert!(Aim::Under(3.0).is_met(2.9) && !Aim::Under(3.0).is_met(3.0));
        assert!(Aim::Exactly(0.0).is_met(0.0) && !Aim::Exactly(0.0).is_met(1.0));
    }
}
