//! The schema: steps that are made once each, in order, and never changed.

use std::borrow::Cow;

/// The condition of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseCondition {
    /// There is none yet, and one can be made.
    Fresh,
    /// It can be used as it is.
    InOrder,
    /// It can be used once its schema is brought up to date.
    Older,
    /// Its schema is of a later release.
    Newer,
    /// A copy into it is unfinished.
    HalfCopied,
}

/// The table of a database into which a copy is unfinished.
pub(super) const COPY_PROGRESS: &str = "copying";

/// A step of the schema.
#[derive(Clone, Copy)]
pub(super) struct SchemaStep {
    pub(super) sqlite: &'static str,
    postgres: Option<&'static str>,
}

impl SchemaStep {
    /// One SQL for both databases, written for SQLite.
    const fn of_both(sql: &'static str) -> Self {
        Self {
            sqlite: sql,
            postgres: None,
        }
    }

    /// SQL for each database, if it differs.
    const fn of_each(sqlite: &'static str, postgres: &'static str) -> Self {
        Self {
            sqlite,
            postgres: Some(postgres),
        }
    }

    /// The SQL for PostgreSQL. Its `INTEGER` has 32 bits; numbers of the store have 64.
    pub(super) fn postgres(self) -> Cow<'static, str> {
        match self.postgres {
            Some(sql) => sql.into(),
            None => self.sqlite.replace("INTEGER", "BIGINT").into(),
        }
    }
}

/// The steps of the schema.
pub(super) const STEPS: [SchemaStep; 17] = [
    SchemaStep::of_each(
        include_str!("../../migrations/0001_initial.sql"),
        include_str!("../../migrations/postgres/0001_initial.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0002_console_tickets.sql"),
        include_str!("../../migrations/postgres/0002_console_tickets.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0003_paid_by_lease.sql"),
        include_str!("../../migrations/postgres/0003_paid_by_lease.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0004_debts.sql"),
        include_str!("../../migrations/postgres/0004_debts.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0005_vmid_order.sql"),
        include_str!("../../migrations/postgres/0005_vmid_order.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0006_containers.sql"),
        include_str!("../../migrations/postgres/0006_containers.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0007_addresses.sql"),
        include_str!("../../migrations/postgres/0007_addresses.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0008_traffic.sql"),
        include_str!("../../migrations/postgres/0008_traffic.sql"),
    ),
    SchemaStep::of_both(include_str!("../../migrations/0009_lease_waits.sql")),
    SchemaStep::of_each(
        include_str!("../../migrations/0010_traffic_stop.sql"),
        include_str!("../../migrations/postgres/0010_traffic_stop.sql"),
    ),
    SchemaStep::of_both(include_str!("../../migrations/0011_missing.sql")),
    SchemaStep::of_each(
        include_str!("../../migrations/0012_bounded.sql"),
        include_str!("../../migrations/postgres/0012_bounded.sql"),
    ),
    SchemaStep::of_both(include_str!("../../migrations/0013_ends.sql")),
    SchemaStep::of_both(include_str!("../../migrations/0014_guest_ssh.sql")),
    SchemaStep::of_both(include_str!("../../migrations/0015_transactions.sql")),
    SchemaStep::of_each(
        include_str!("../../migrations/0016_ports.sql"),
        include_str!("../../migrations/postgres/0016_ports.sql"),
    ),
    SchemaStep::of_each(
        include_str!("../../migrations/0017_credit.sql"),
        include_str!("../../migrations/postgres/0017_credit.sql"),
    ),
];
