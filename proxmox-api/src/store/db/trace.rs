//! Test builds look at every statement that runs on SQLite: one that goes through a table that
//! grows with history fails at once, and a test may have the work of each statement counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, Statement, StatementStatus};

use super::{OwnedValue, Value};

/// Tables with a row for each purchase, lease, customer or sign-in. The others are bounded by the
/// installation: numbers of its range, containers without a lease, a few named values.
const GROWING: [&str; 21] = [
    "payments",
    "leases",
    "events",
    "renewals",
    "debts",
    "traffic",
    "sent_transactions",
    "demo_transfers",
    "demo_balances",
    "console_tickets",
    "sessions",
    "challenges",
    "brakes",
    "guest_names",
    "ports",
    "port_tickets",
    "ssh_keys",
    "ledger",
    "credit",
    "holds",
    "api_keys",
];

/// Partial indexes over open rows only, which a statement may scan as a whole.
const OPEN: [&str; 18] = [
    "leases_deadline",
    "leases_destroy",
    "leases_link",
    "leases_live",
    "leases_live_address",
    "leases_live_owner",
    "leases_missed",
    "leases_trouble",
    "leases_unwarned",
    "payments_unfinished",
    "payments_unresolved",
    "payments_released",
    "payments_kept",
    "payments_refusals_to_check",
    "payments_transfers_to_check",
    "debts_due",
    "credit_liability",
    "holds_open",
];

/// Statements that may go through a whole table, and why.
const MAY_SCAN: [(&str, &str); 5] = [
    ("UPDATE events SET at = 6", "a test tries it in vain"),
    ("DELETE FROM events", "a test tries it in vain"),
    ("UPDATE ledger SET amount = 6", "a test tries it in vain"),
    ("DELETE FROM ledger", "a test tries it in vain"),
    (
        "SELECT what, subject, expected, found FROM",
        "an operator compares the whole ledger by hand",
    ),
];

/// The end of a statement that only a test runs.
const OF_A_TEST: &str = "/* of a test */";

/// A statement that ran.
#[derive(Debug, Clone)]
pub(in crate::store) struct TracedStatement {
    pub(in crate::store) sql: String,
    pub(in crate::store) values: Vec<OwnedValue>,
    /// Steps of SQLite's virtual machine, those for foreign keys included: the work, however fast
    /// the machine is.
    pub(in crate::store) steps: i32,
}

/// The statements whose plan was looked at.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// Statements that ran on the databases whose work is counted, by the database's path.
static COUNTED: Mutex<BTreeMap<String, Vec<TracedStatement>>> = Mutex::new(BTreeMap::new());

fn lock<T>(of: &'static Mutex<T>) -> MutexGuard<'static, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records the statements on the database with this path from now on.
pub(in crate::store) fn count(path: &str) {
    lock(&COUNTED).insert(path.to_owned(), Vec::new());
}

/// Takes the statements that were recorded there.
pub(in crate::store) fn counted(path: &str) -> Vec<TracedStatement> {
    lock(&COUNTED).remove(path).unwrap_or_default()
}

pub(super) fn ran(
    connection: &Connection,
    statement: &Statement<'_>,
    sql: &str,
    values: &[Value<'_>],
) {
    let steps = statement.reset_status(StatementStatus::VmStep);
    if !sql.ends_with(OF_A_TEST) && lock(&SEEN).insert(sql.to_owned()) {
        let plan = plan(connection, sql);
        let whole = scans(sql, &plan);
        assert!(whole.is_empty(), "{sql}\ngoes through {whole:?}: {plan:#?}");
    }
    let Some(path) = connection.path() else {
        return;
    };
    if let Some(all) = lock(&COUNTED).get_mut(path) {
        all.push(TracedStatement {
            sql: sql.to_owned(),
            values: values.iter().map(OwnedValue::of).collect(),
            steps,
        });
    }
}

/// How SQLite would run a statement, one line for each table.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let Ok(mut statement) = connection.prepare(&explain) else {
        return Vec::new();
    };
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>("detail").unwrap());
    }
    plan
}

/// Whether a table has a row for each purchase, lease, customer or sign-in.
pub(in crate::store) fn grows(table: &str) -> bool {
    GROWING.contains(&table)
}

/// The lines of a plan that go through a whole table that grows, where the statement may not.
fn scans(sql: &str, plan: &[String]) -> Vec<String> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sql = words(sql);
    if MAY_SCAN.iter().any(|(may, _)| sql.starts_with(may)) {
        return Vec::new();
    }
    let whole = plan.iter().filter(|line| {
        let mut parts = line.split(' ');
        let scanned = parts.next() == Some("SCAN");
        let grows = parts.next().is_some_and(grows);
        let index = line.split(" INDEX ").nth(1).unwrap_or_default();
        let index = index.split(' ').next().unwrap_or_default();
        scanned && grows && !OPEN.contains(&index)
    });
    whole.cloned().collect()
}
