//! The bugs that the service has on request, to prove that a campaign finds bugs of their kind.

use clap::ValueEnum;

/// Where the store of a campaign is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum StoreMode {
    /// One process on a file
    #[default]
    Sqlite,
    /// Replicas on a server with a standby
    Postgres,
}

impl StoreMode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A bug of the program `proxmox-api-chaos`.
pub(super) struct SeededBug {
    /// How the program knows it.
    pub(super) name: &'static str,
    /// The mode in which it matters.
    pub(super) mode: StoreMode,
    /// The rule of the campaign that it breaks.
    pub(super) rule: &'static str,
}

/// All of them.
pub(super) const SEEDED_BUGS: [SeededBug; 3] = [
    SeededBug {
        name: "skip-undo",
        mode: StoreMode::Sqlite,
        rule: "no container runs without money",
    },
    SeededBug {
        name: "any-transfer",
        mode: StoreMode::Sqlite,
        rule: "a payment names its own transfer",
    },
    SeededBug {
        name: "claims-side-by-side",
        mode: StoreMode::Postgres,
        rule: "no change runs into a constraint",
    },
];
