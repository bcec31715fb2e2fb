//! No statement of the store costs more after a long history than after a short one: by the steps
//! of SQLite's virtual machine, and by PostgreSQL's plans and the rows that they read. [`tour`]
//! does everything once, on the same few live leases and open payments beside each history.

mod history;
mod tour;

use std::{collections::BTreeMap, path::Path};

use super::{
    super::db::trace::{self, TracedStatement},
    *,
};

/// Payments of the one wallet, each fourth with a lease that is over.
const YOUNG: i64 = 12;
const SHORT: i64 = 400;
const LONG: i64 = 6_000;
/// Steps by which the work of a statement may differ: pages that are not full, a deeper look into
/// an index.
const TOLERATED: i32 = 100;
/// Rows that a statement of the tour may read on PostgreSQL: the live or open ones, and a page of
/// the rest.
const MOST_ROWS: u64 = 150;

/// Statements whose work may grow with history, and why.
const MAY_GROW: [(&str, &str); 3] = [
    (
        "SELECT count(*) AS leases FROM leases WHERE state = 'destroyed'",
        "for a metric, once an hour",
    ),
    (
        "SELECT payment_id FROM payments WHERE network = ",
        "for a decision of an operator, by hand",
    ),
    (
        "SELECT what, subject, expected, found FROM",
        "an operator compares the whole ledger, by hand",
    ),
];

fn may_grow(sql: &str) -> bool {
    MAY_GROW.iter().any(|(known, _)| sql.starts_with(known))
}

/// The statements of a tour after this many payments; with `analyzed_young`, on a file whose
/// statistics are of a time when it had few.
async fn toured(payments: i64, analyzed_young: bool) -> Vec<TracedStatement> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&path).unwrap();
    history::fill(&store, 0, YOUNG).await;
    if analyzed_young {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.busy_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        file.execute_batch("ANALYZE").unwrap();
    }
    history::fill(&store, YOUNG, payments).await;
    drop(store);
    let store = Store::open(&path).unwrap();
    let name = path.canonicalize().unwrap().display().to_string();
    trace::count(&name);
    tour::take(&store).await;
    let ran = trace::counted(&name);
    assert!(ran.len() > 200, "the work was not counted: {}", ran.len());
    ran
}

/// The most steps that each statement took.
fn most(ran: &[TracedStatement]) -> BTreeMap<&str, i32> {
    let mut most = BTreeMap::new();
    for TracedStatement { sql, steps, .. } in ran {
        let known = most.entry(sql.as_str()).or_insert(0);
        *known = (*known).max(*steps);
    }
    most
}

async fn nothing_costs_more(analyzed_young: bool) {
    let short = toured(SHORT, analyzed_young).await;
    let long = toured(LONG, analyzed_young).await;
    let (before, after) = (most(&short), most(&long));
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>(),
        "the same is done"
    );
    let grown: Vec<_> = after
        .iter()
        .map(|(sql, steps)| (before[sql], *steps, *sql))
        .filter(|(before, after, sql)| after - before > TOLERATED && !may_grow(sql))
        .collect();
    assert!(grown.is_empty(), "{grown:#?}");
    let exempt = after.keys().filter(|sql| may_grow(sql));
    assert_eq!(exempt.count(), MAY_GROW.len(), "every exemption is needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_costs_more_after_a_long_history() {
    nothing_costs_more(false).await;
}

/// A connection reads statistics once, and goes on believing them while the file grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_of_a_young_file_do_not_lead_it_astray() {
    nothing_costs_more(true).await;
}

/// PostgreSQL chooses by its statistics, so it has the long history and has analyzed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn postgres_reads_few_rows_after_a_long_history() {
    let place = Place::server().await;
    let store = place.open().await;
    history::fill(&store, 0, LONG).await;
    let Database::Server(server) = place.database.clone() else {
        panic!("it is a server");
    };
    let analyzing = server.clone();
    let analyzed = move || Session::new(*analyzing)?.batch("ANALYZE");
    tokio::task::spawn_blocking(analyzed)
        .await
        .unwrap()
        .unwrap();
    tour::take(&store).await;
    let ran = toured(SHORT, false).await;
    let looking = move || {
        let session = Session::new(*server).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let fresh = ran.iter().filter(|ran| seen.insert(&ran.sql));
        fresh
            .filter(|ran| !may_grow(&ran.sql))
            .filter_map(|ran| too_much(&session, ran))
            .collect::<Vec<_>>()
    };
    let wrong = tokio::task::spawn_blocking(looking).await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The plan of a statement that goes through a table or reads many rows.
fn too_much(session: &Session, ran: &TracedStatement) -> Option<String> {
    // A plain insert has no plan to check.
    let inserts = ran.sql.trim_start().starts_with("INSERT");
    let how = match inserts {
        true => "COSTS OFF",
        false => "ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF",
    };
    // Only SQLite runs this, to merge pages.
    let sql = ran.sql.replace(", rowid = rowid", "");
    let sql = format!("EXPLAIN ({how}) {sql}");
    let values: Vec<_> = ran.values.iter().map(OwnedValue::borrow).collect();
    session.batch("BEGIN").unwrap();
    let rows = session.query(&sql, &values);
    session.batch("ROLLBACK").unwrap();
    let plan: Vec<String> = rows
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
        .iter()
        .map(|row| row.get(0))
        .collect();
    let whole = plan.iter().any(|line| {
        let table = line.split("Seq Scan on ").nth(1);
        table.is_some_and(|rest| trace::grows(rest.split(' ').next().unwrap_or_default()))
    });
    let read: u64 = plan.iter().map(|line| rows_read(line)).sum();
    (whole || read > MOST_ROWS).then(|| format!("{}\n{read} rows:\n{}", ran.sql, plan.join("\n")))
}

/// The rows that a line of a plan says were read from a table or index.
fn rows_read(line: &str) -> u64 {
    let number = |after: &str| {
        let rest = line.split(after).nth(1)?;
        let digits = rest.split(|end: char| !end.is_ascii_digit()).next()?;
        digits.parse::<u64>().ok()
    };
    match line.contains("Scan") {
        true => number("rows=").unwrap_or(0) * number("loops=").unwrap_or(1),
        false => number("Rows Removed by Filter: ").unwrap_or(0),
    }
}

/// Each public method is part of the tour, so that the next one is as well.
#[test]
fn the_tour_calls_every_method_of_the_store() {
    let mut missing = Vec::new();
    // Transitions are made by a file of their own.
    let calls = [
        include_str!("tour.rs"),
        include_str!("tour/credit.rs"),
        include_str!("tour/money.rs"),
        include_str!("tour/visitors.rs"),
        include_str!("../credit.rs"),
        include_str!("../transitions.rs"),
    ]
    .concat();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    for file in sources(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        for rest in text.split("pub async fn ").skip(1) {
            let name = rest.split(['(', '<']).next().unwrap();
            let called = calls.contains(&format!(".{name}("));
            // These open it, or go through all of it for the operator.
            let others = [
                "connect",
                "open_database",
                "database_condition",
                "backup",
                "copy",
            ];
            if !called && !others.contains(&name) {
                missing.push(name.to_owned());
            }
        }
    }
    assert_eq!(missing, [""; 0]);
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match path.is_dir() {
            // Of the tests' own, and of sessions for locks.
            true if ["tests", "postgres"].contains(&name.as_str()) => {}
            true => all.extend(sources(&path)),
            false => all.push(path),
        }
    }
    all
}

/// SQLite reads a row from its first column on, so the large ones have to come last.
#[tokio::test]
async fn a_list_of_payments_reads_no_answer_and_no_request() {
    const ANSWER: usize = 500_000;
    let (folder, store) = open_file();
    history::fill(&store, 0, 40).await;
    let filled = store.write(ChangeLock::None, |db| {
        let sql = "UPDATE payments SET answer_body = ?1, request = ?1 WHERE payment_id = ?2";
        for number in 1..=20 {
            let large = "x".repeat(ANSWER);
            let id = format!("old-{}", number * 2);
            db.execute(sql, values![large, id])?;
        }
        Ok(())
    });
    filled.await.unwrap();
    drop(store);
    // A reader of this thread's own, whose reads the kernel counts.
    let path = folder.path().join("store.db");
    let reader = sqlite::connect_to_read(&path).unwrap();
    let read = || -> usize {
        let all = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = all.lines().find_map(|line| line.strip_prefix("rchar: "));
        line.unwrap().parse().unwrap()
    };
    let listed = |sql: &str| {
        let before = read();
        let rows: Vec<String> = Db::Sqlite(&reader)
            .all(sql, values![PAYER], |row| {
                row.get("updated_at").map(|at: i64| at.to_string())
            })
            .unwrap();
        assert_eq!(rows.len(), 40);
        read() - before
    };
    let summary = crate::store::payments::SUMMARY;
    let sql = format!("SELECT {summary} FROM payments WHERE payer = ?1 ORDER BY created_at DESC");
    let bytes = listed(&sql);
    assert!(bytes < ANSWER, "{bytes} bytes");
    let all = "SELECT *, length(answer_body || request) FROM payments WHERE payer = ?1";
    let bytes = listed(all);
    assert!(bytes > 20 * ANSWER, "what would be read is seen: {bytes}");
}
