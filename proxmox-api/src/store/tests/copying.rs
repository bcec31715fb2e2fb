//! A store that moves from a file to a server and back, interrupted anywhere, loses and changes
//! nothing, and is refused where a service works on it or something else is in the way. Ignored
//! without PostgreSQL.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use super::{
    super::maintenance::copy::{BatchSize, copy_in},
    every_table::filled,
    postgres::Postgres,
    *,
};

/// So small that every table takes more than one batch.
const SMALL: BatchSize = BatchSize {
    rows: 4,
    bytes: 1 << 20,
};

fn go_on(_: CopyStep) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

async fn copied(from: &Place, to: &Place) -> Result<Vec<TableFigures>, CopyError> {
    copy_in(&from.database, &to.database, SMALL, &mut go_on).await
}

async fn refused(from: &Place, to: &Place) -> String {
    copied(from, to).await.unwrap_err().to_string()
}

/// A file with rows in every table, and an empty server.
async fn file_and_server() -> (Place, Place) {
    let server = Place::server().await;
    let file = Place::file();
    filled(&file).await;
    (file, server)
}

/// The tables of the schema, without the one that counts its migrations.
fn tables_of_the_schema() -> BTreeSet<String> {
    let (_folder, store) = open_file();
    drop(store);
    let path = _folder.path().join("store.db");
    let file = rusqlite::Connection::open(path).unwrap();
    let mut names = file
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_store_goes_to_a_server_and_back_and_every_table_with_it() {
    let (file, server) = file_and_server().await;
    let there = copied(&file, &server).await.unwrap();
    let copied_tables: BTreeSet<_> = there.iter().map(|table| table.table.clone()).collect();
    assert_eq!(copied_tables, tables_of_the_schema());
    for table in &there {
        assert!(
            table.rows > 4,
            "put rows into {} in every_table.rs",
            table.table
        );
    }
    let payments = there.iter().find(|it| it.table == "payments").unwrap();
    assert_eq!((payments.rows, payments.sum), (8, Some(8032)));
    let again = Place::file();
    assert_eq!(copied(&server, &again).await.unwrap(), there);
    // A service can work on the copy: new rows come after the copied ones.
    for place in [&server, &again] {
        let store = place.open().await;
        let last = newest_event(&store).await;
        store
            .append_event(1, "lease-1", "new", &serde_json::json!({}))
            .await
            .unwrap();
        assert_eq!(newest_event(&store).await, last + 1);
        store
            .reserve(payment("pay-new", PAYER, "0xff"), 1)
            .await
            .unwrap();
        let order = store.read(|db| {
            let sql = "SELECT payment_id FROM payments ORDER BY rowid /* of a test */";
            db.all::<_, Vec<String>>(sql, &[], |row| row.get("payment_id"))
        });
        let order = order.await.unwrap();
        assert_eq!(order[0], "pay-9");
        assert_eq!(order[order.len() - 2..], ["pay-1", "pay-new"]);
    }
}

async fn newest_event(store: &Store) -> i64 {
    let newest = store.read(|db| {
        let sql = "SELECT max(event_id) AS newest FROM events";
        db.one(sql, &[], |row| row.get("newest"))
    });
    newest.await.unwrap()
}

/// One run after the other is interrupted after its first step, so that each step is where one goes
/// on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_copy_goes_on_wherever_it_was_interrupted() {
    let (file, server) = file_and_server().await;
    let again = Place::file();
    let mut both = Vec::new();
    for (from, to) in [(&file, &server), (&server, &again)] {
        let (mut runs, mut steps) = (0, Vec::new());
        let figures = loop {
            let mut observe = |step: CopyStep| {
                let copied = matches!(step, CopyStep::Copied { .. });
                assert!(!steps.contains(&step) || !copied, "{step:?} twice");
                steps.push(step);
                // The comparison is made from its begin each time.
                match copied {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            match copy_in(&from.database, &to.database, SMALL, &mut observe).await {
                Ok(figures) => break figures,
                Err(CopyError::Interrupted) => runs += 1,
                Err(error) => panic!("{error}"),
            }
            let condition = database_condition(&to.database).await.unwrap();
            assert_eq!(condition, DatabaseCondition::HalfCopied);
            let started = Store::open_database(&to.database).await.unwrap_err();
            assert!(matches!(started, StoreError::HalfCopied), "{started}");
        };
        assert!(runs > 30, "{runs}");
        both.push(figures);
        assert_eq!(
            database_condition(&to.database).await.unwrap(),
            DatabaseCondition::InOrder
        );
    }
    assert_eq!(both[0], both[1]);
    // Nor is one of use that was interrupted while it was compared.
    let third = Place::server().await;
    let mut observe = |step: CopyStep| match step {
        CopyStep::Copied { .. } => ControlFlow::Continue(()),
        CopyStep::Compared { .. } => ControlFlow::Break(()),
    };
    let stopped = copy_in(&file.database, &third.database, SMALL, &mut observe).await;
    assert!(matches!(stopped, Err(CopyError::Interrupted)));
    assert!(Store::open_database(&third.database).await.is_err());
    assert_eq!(copied(&file, &third).await.unwrap(), both[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn what_is_in_the_way_is_said_and_left_alone() {
    let (file, server) = file_and_server().await;
    let (empty, other) = (Place::file(), Place::server().await);
    let says = |said: String, what: &str| assert!(said.contains(what), "{said}");
    says(refused(&file, &empty).await, "backup");
    says(refused(&server, &other).await, "pg_dump");
    says(refused(&empty, &server).await, "nothing to copy");
    filled(&other).await;
    says(refused(&file, &other).await, "not empty");
    says(refused(&other, &file).await, "not empty");
    // Nothing was copied over.
    assert!(
        other
            .open()
            .await
            .lease(&"lease-1".into())
            .await
            .unwrap()
            .is_some()
    );
    let foreign = Place::file();
    let Database::File(path) = &foreign.database else {
        panic!()
    };
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch("CREATE TABLE notes (text)")
        .unwrap();
    says(refused(&server, &foreign).await, "nothing to copy");
    says(refused(&other, &foreign).await, "a table notes");
    // Of a later release, and in the middle of a copy of something else.
    let newer = Place::server().await;
    newer.open().await;
    sql(&newer, "INSERT INTO schema_version VALUES (9999)").await;
    says(refused(&file, &newer).await, "later release");
    let mut stop = |_: CopyStep| ControlFlow::Break(());
    let begun = copy_in(&file.database, &server.database, SMALL, &mut stop).await;
    assert!(matches!(begun, Err(CopyError::Interrupted)));
    says(refused(&server, &empty).await, "unfinished copy");
    let second = Place::file();
    filled(&second).await;
    sql(
        &second,
        "UPDATE installation SET value = 'other' WHERE name = 'id'",
    )
    .await;
    says(refused(&second, &server).await, "of another database");
    sql(
        &file,
        "UPDATE payments SET updated_at = 99 WHERE payment_id = 'pay-1'",
    )
    .await;
    says(refused(&file, &server).await, "changed since");
}

/// Runs SQL beside the store.
async fn sql(place: &Place, sql: &'static str) {
    let database = place.database.clone();
    let run = tokio::task::spawn_blocking(move || match database {
        Database::File(path) => rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch(sql)
            .unwrap(),
        Database::Server(server) => Session::new(*server).unwrap().batch(sql).unwrap(),
    });
    run.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn nothing_is_copied_while_a_service_works_on_either_side() {
    let (file, server) = file_and_server().await;
    let Database::File(path) = &file.database else {
        panic!()
    };
    let hold = FileLock::take(path).unwrap();
    let said = refused(&file, &server).await;
    assert!(
        said.contains("another process has this database open"),
        "{said}"
    );
    drop(hold);
    // A replica, as soon as it has its session for locks.
    let replica = Store::open_database(&server.database).await.unwrap();
    let locks = replica.advisory_locks().unwrap();
    drop(locks.take("set", &["name"]).await.unwrap());
    let said = refused(&file, &server).await;
    assert!(said.contains("a service works on this database"), "{said}");
    drop((locks, replica));
    let figures = copied(&file, &server).await.unwrap();
    assert!(!figures.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn no_service_starts_on_a_server_that_is_copied_and_none_that_runs_writes() {
    let (file, server) = file_and_server().await;
    let handle = tokio::runtime::Handle::current();
    let back = Place::file();
    for (from, to) in [(&file, &server), (&server, &back)] {
        let mut looked = false;
        let mut observe = |_: CopyStep| {
            if std::mem::replace(&mut looked, true) {
                return ControlFlow::Continue(());
            }
            tokio::task::block_in_place(|| {
                handle.block_on(async {
                    let started = Store::open_database(&server.database).await;
                    let said = started.err().map(|error| error.to_string());
                    assert!(said.unwrap().contains("is being copied"));
                    let Database::Server(address) = server.database.clone() else {
                        panic!()
                    };
                    let written = tokio::task::spawn_blocking(move || {
                        let session = Session::new(*address).unwrap();
                        session.batch("SET lock_timeout = '50ms'").unwrap();
                        session.batch("UPDATE leases SET updated_at = 77")
                    });
                    let written = written.await.unwrap();
                    assert_eq!(written.is_err(), std::ptr::eq(from, &server), "{written:?}");
                });
            });
            ControlFlow::Continue(())
        };
        copy_in(&from.database, &to.database, SMALL, &mut observe)
            .await
            .unwrap();
        assert!(looked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_source_that_changes_meanwhile_is_found_out() {
    let (file, server) = file_and_server().await;
    let Database::File(path) = &file.database else {
        panic!()
    };
    let mut changed = false;
    let mut observe = |step: CopyStep| {
        // As an operator's command does, beside which no service has to run.
        if matches!(step, CopyStep::Copied { .. }) && !std::mem::replace(&mut changed, true) {
            let beside = rusqlite::Connection::open(path).unwrap();
            beside.execute("UPDATE brakes SET unpaid = 9", []).unwrap();
        }
        ControlFlow::Continue(())
    };
    let found = copy_in(&file.database, &server.database, SMALL, &mut observe)
        .await
        .unwrap_err();
    let CopyError::Different { table, .. } = &found else {
        panic!("{found}")
    };
    assert_eq!(table, "brakes");
    assert!(!found.can_go_on());
    assert!(Store::open_database(&server.database).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_backup_of_a_server_is_what_another_server_is_filled_from() {
    let (file, server) = file_and_server().await;
    let there = copied(&file, &server).await.unwrap();
    let kept = Place::file();
    let Database::File(path) = &kept.database else {
        panic!()
    };
    backup(&server.database, path, &mut go_on).await.unwrap();
    let another = Place::server().await;
    assert_eq!(copied(&kept, &another).await.unwrap(), there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_text_that_a_server_cannot_keep_is_named() {
    let (file, server) = file_and_server().await;
    sql(
        &file,
        "UPDATE leases SET hostname = 'a' || char(0) || 'b' WHERE lease_id = 'lease-2'",
    )
    .await;
    let said = refused(&file, &server).await;
    assert!(said.contains("leases has a value in hostname"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_server_that_goes_away_meanwhile_stops_the_copy_which_goes_on_when_it_is_back() {
    let started = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let postgres = Arc::new(started);
    service::crypto::install_ring_provider();
    let url = postgres.url("postgres", &postgres.empty(), "sslmode=disable");
    let server = Place {
        database: Database::parse(&url).unwrap(),
        _folder: None,
    };
    let (file, back) = (Place::file(), Place::file());
    filled(&file).await;
    let mut figures = Vec::new();
    for (from, to) in [(&file, &server), (&server, &back)] {
        let steps = Mutex::new(0);
        let mut observe = |_: CopyStep| {
            let mut steps = steps.lock().unwrap();
            *steps += 1;
            if *steps == 7 {
                tokio::task::block_in_place(|| postgres.crash());
            }
            ControlFlow::Continue(())
        };
        let stopped = copy_in(&from.database, &to.database, SMALL, &mut observe)
            .await
            .unwrap_err();
        assert!(stopped.can_go_on(), "{stopped}");
        assert!(
            stopped.to_string().contains("the connection was lost"),
            "{stopped}"
        );
        tokio::task::block_in_place(|| postgres.start_again());
        figures.push(copied(from, to).await.unwrap());
    }
    assert_eq!(figures[0], figures[1]);
}
