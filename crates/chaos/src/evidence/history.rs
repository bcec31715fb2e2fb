//! A table of the campaign's own in the store's database, into which triggers write every move of a
//! payment and of a lease as it is made. Neither the service's own reports nor the final rows show
//! the states in between.

use anyhow::Result;

use crate::{faults::contention::LATE_DEADLOCK_CHECK, world::database::Database};

/// The table's name.
pub const TABLE: &str = "chaos_history";

/// `what` is `payment`, `lease` (states before and after), `place` (another number) or `end` (when
/// a lease ends, before and after).
const COLUMNS: &str = "what TEXT NOT NULL, id TEXT NOT NULL, owner TEXT, payment_id TEXT,
    before TEXT, after TEXT, vmid BIGINT, address TEXT";

/// For each kind of row: its table, the trigger's condition, and the values that are written.
struct HistoryTrigger {
    name: &'static str,
    table: &'static str,
    event: &'static str,
    when: &'static str,
    row: &'static str,
}

const TRIGGERS: [HistoryTrigger; 7] = [
    HistoryTrigger {
        name: "payment_made",
        table: "payments",
        event: "INSERT",
        when: "1 = 1",
        row: "'payment', NEW.payment_id, NEW.payer, NULL, NULL, NEW.state, NULL, NULL",
    },
    HistoryTrigger {
        name: "payment_moved",
        table: "payments",
        event: "UPDATE",
        when: "OLD.state <> NEW.state",
        row: "'payment', NEW.payment_id, NEW.payer, NULL, OLD.state, NEW.state, NULL, NULL",
    },
    HistoryTrigger {
        name: "payment_gone",
        table: "payments",
        event: "DELETE",
        when: "1 = 1",
        row: "'payment', OLD.payment_id, OLD.payer, NULL, OLD.state, NULL, NULL, NULL",
    },
    HistoryTrigger {
        name: "lease_made",
        table: "leases",
        event: "INSERT",
        when: "1 = 1",
        row: "'lease', NEW.lease_id, NEW.owner, NEW.payment_id, NULL, NEW.state, NEW.vmid, NEW.address",
    },
    HistoryTrigger {
        name: "lease_moved",
        table: "leases",
        event: "UPDATE",
        when: "OLD.state <> NEW.state",
        row: "'lease', NEW.lease_id, NEW.owner, NEW.payment_id,
            OLD.state, NEW.state, NEW.vmid, NEW.address",
    },
    HistoryTrigger {
        name: "lease_placed",
        table: "leases",
        event: "UPDATE",
        when: "OLD.vmid <> NEW.vmid",
        row: "'place', NEW.lease_id, NEW.owner, NEW.payment_id, NULL, NULL, NEW.vmid, NEW.address",
    },
    HistoryTrigger {
        name: "lease_extended",
        table: "leases",
        event: "UPDATE",
        when: "OLD.expires_at <> NEW.expires_at",
        row: "'end', NEW.lease_id, NEW.owner, NEW.payment_id,
            CAST(OLD.expires_at AS TEXT), CAST(NEW.expires_at AS TEXT), NULL, NULL",
    },
];

const NAMES: &str = "what, id, owner, payment_id, before, after, vmid, address";

/// Begins to write it, once the service has made its tables.
///
/// # Errors
/// The database does not answer.
pub fn create_triggers(database: &Database) -> Result<()> {
    let mut sqlite =
        format!("CREATE TABLE {TABLE} (seq INTEGER PRIMARY KEY AUTOINCREMENT, {COLUMNS});\n");
    let mut postgres = format!(
        "{LATE_DEADLOCK_CHECK}; CREATE TABLE {TABLE} (seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {COLUMNS});\n"
    );
    for trigger in TRIGGERS {
        let HistoryTrigger {
            name,
            table,
            event,
            when,
            row,
        } = trigger;
        let insert = format!("INSERT INTO {TABLE} ({NAMES}) VALUES ({row});");
        sqlite.push_str(&format!(
            "CREATE TRIGGER chaos_{name} AFTER {event} ON {table} WHEN {when} BEGIN {insert} END;\n"
        ));
        postgres.push_str(&format!(
            "CREATE FUNCTION chaos_{name}() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN {insert} RETURN NULL; END $$;
             CREATE TRIGGER chaos_{name} AFTER {event} ON {table} FOR EACH ROW WHEN ({when})
                 EXECUTE FUNCTION chaos_{name}();\n"
        ));
    }
    database.make(&sqlite, &postgres)
}
