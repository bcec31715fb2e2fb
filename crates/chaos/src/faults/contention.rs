//! Another user of the same PostgreSQL, as the service meets it: it locks rows for a moment, in the
//! reverse order, so that deadlocks come about, and changes no value. Triggers of the campaign's own
//! raise serialization failures without a conflict, at a statement or at its commit.

use std::time::Duration;

use anyhow::Result;

use crate::{
    faults::targets::FaultTargets, journal::Journal, random::SeededRandom,
    world::database::Database,
};

/// PostgreSQL aborts the transaction that detects the deadlock first. This session looks for one
/// late, so that the service's transaction is aborted.
pub const LATE_DEADLOCK_CHECK: &str = "SET deadlock_timeout = '5s'";
/// One in this many statements, and one in this many commits, fails.
const FAILURE_ONE_IN: u32 = 150;

/// Rows of leases, and then of payments, by the last or by the first: the service takes a payment
/// before its lease.
fn hold_rows_sql(random: &mut SeededRandom) -> String {
    let order = *random.pick(&["DESC", "ASC"]);
    let (leases, payments) = (random.between(1, 12), random.between(1, 12));
    let held = random.between(20, 400);
    let change = *random.pick(&[
        "UPDATE leases SET node = node WHERE lease_id IN",
        "SELECT 1 FROM leases WHERE lease_id IN",
    ]);
    let lock = if change.starts_with("SELECT") {
        "FOR UPDATE"
    } else {
        ""
    };
    format!(
        "{LATE_DEADLOCK_CHECK}; BEGIN;
         {change} (SELECT lease_id FROM leases ORDER BY updated_at DESC LIMIT {leases}) {lock};
         SELECT pg_sleep({held} / 1000.0);
         SELECT count(*) FROM (SELECT 1 FROM payments WHERE payment_id IN
             (SELECT payment_id FROM payments ORDER BY updated_at DESC LIMIT {payments})
             ORDER BY payment_id {order} FOR UPDATE) AS held;
         COMMIT"
    )
}

/// Disturbs until the faults are over.
pub async fn hold_rows(targets: FaultTargets, mut random: SeededRandom) {
    if !targets.database.is_server() {
        return;
    }
    while targets.goes_on() {
        let pause = Duration::from_millis(random.between(200, 1_500));
        tokio::time::sleep(pause).await;
        let (sql, database) = (hold_rows_sql(&mut random), targets.database.clone());
        let done = tokio::task::spawn_blocking(move || database.make("", &sql)).await;
        // The server may be down, or may have aborted this transaction.
        let what = match done {
            Ok(Ok(())) => "database: rows are held",
            _ => "database: rows are held, until the server takes that back",
        };
        targets.journal.fault("database", what);
    }
}

/// Makes triggers that raise serialization failures.
///
/// # Errors
/// The database does not answer.
pub fn create_failing_triggers(database: &Database) -> Result<()> {
    let mut sql = format!(
        "{LATE_DEADLOCK_CHECK}; CREATE FUNCTION chaos_takes_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF random() * {FAILURE_ONE_IN} < 1 THEN
                 RAISE EXCEPTION 'the campaign takes this back' USING ERRCODE = '40001';
             END IF;
             RETURN NULL;
         END $$;\n"
    );
    for table in ["payments", "leases", "debts", "renewals", "events"] {
        sql.push_str(&format!(
            "CREATE TRIGGER chaos_takes_statement_back BEFORE INSERT OR UPDATE ON {table}
                 FOR EACH STATEMENT EXECUTE FUNCTION chaos_takes_back();
             CREATE CONSTRAINT TRIGGER chaos_takes_commit_back AFTER INSERT OR UPDATE ON {table}
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_takes_back();\n"
        ));
    }
    database.make("", &sql)
}

/// Removes those triggers. The failures are counted in the service's own log.
///
/// # Errors
/// The database does not answer.
pub fn drop_failing_triggers(database: &Database, journal: &Journal) -> Result<()> {
    if database.is_server() {
        journal.record("database", "nothing is taken back any more");
    }
    let sql = format!("{LATE_DEADLOCK_CHECK}; DROP FUNCTION chaos_takes_back() CASCADE");
    database.make("", &sql)
}
