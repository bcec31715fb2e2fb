//! A service whose store was moved goes on. The commands that move and back up a store run as
//! processes: killed, on a full disk, and beside a running service.

use std::{
    io::{BufRead as _, BufReader},
    ops::ControlFlow,
    path::Path,
    process::{Command, Output, Stdio},
};

use proxmox_api::store::{Database, DatabaseCondition, FileLock, Store, copy, database_condition};
use pve_sim::{Sim, SimConfig};

use crate::{
    buyer::Buyer,
    guest,
    process::{self, Running},
    replicas,
    support::{PAYEE, TestApp, until},
};

/// One of the program's commands, with its output in pipes.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = process::program(folder);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_service_goes_on_after_its_store_was_moved() {
    let url = replicas::database().await;
    let mut app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = guest::lease(&app, &buyer, "box").await;
    let balance = app.balance(buyer.wallet()).await;
    app.stop().await;
    let (from, to) = (
        Database::File(app.database()),
        Database::parse(&url).unwrap(),
    );
    let mut go_on = |_| ControlFlow::Continue(());
    copy(&from, &to, &mut go_on).await.unwrap();
    app.restart_with(&[("DATABASE", &url)]).await;
    assert_eq!(app.balance(buyer.wallet()).await, balance);
    let renewed = buyer.renew(&app, ctid, 30).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    let vmid = ctid.try_into().unwrap();
    let lease = app.app.store.lease_by_vmid(vmid).await.unwrap().unwrap();
    let events = app.app.store.events(&lease.lease_id, 0, 100).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["claimed", "activated", "renewed"]);
    // The next lease gets a number, payment and order of its own.
    let other = guest::lease(&app, &buyer, "next").await;
    assert_ne!(other, ctid);
    let wallet = buyer.wallet().into();
    let payments = app.app.store.payments_by_payer(&wallet, None, 10).await;
    assert_eq!(payments.unwrap().len(), 3);
}

/// A file with a payment, a lease and events.
async fn a_file(folder: &Path) -> String {
    let path = folder.join("store.sqlite");
    drop(
        Store::open_database(&Database::File(path.clone()))
            .await
            .unwrap(),
    );
    let rows = rusqlite::Connection::open(&path).unwrap();
    rows.execute_batch(
        "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest, state, amount,
             pay_to, valid_before, request,
             operation, arguments, created_at, updated_at)
         VALUES ('pay', 'n', '0xa', '0xb', '0x1', 'd', 'settled', 5, '0xc', 1, '', 'list', '', 1,
              1);
         INSERT INTO leases (lease_id, vmid, node, owner, state, sku, template, hostname, cores,
              memory_mb, disk_gb, minutes,
             payment_id, created_at, updated_at)
         VALUES ('lease', 500, 'pve', '0xb', 'destroyed', 's', 't', 'h', 1, 1, 1, 1, 'pay', 1, 1);
         INSERT INTO events (at, subject, kind, data)
             WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 30000)
             SELECT n, 'lease', 'kind', hex(zeroblob(50)) FROM n",
    )
    .unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_killed_copy_leaves_nothing_to_start_on_and_goes_on_when_asked_again() {
    let url = replicas::database().await;
    let folder = tempfile::tempdir().unwrap();
    let file = a_file(folder.path()).await;
    let to = Database::parse(&url).unwrap();
    // The test makes writes of leases fail, so the copy stops there.
    drop(Store::open_database(&to).await.unwrap());
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client
        .batch_execute("BEGIN; LOCK TABLE leases IN SHARE MODE")
        .await
        .unwrap();
    let mut copying = program(folder.path(), &["store", "copy", &file, &url])
        .spawn()
        .unwrap();
    let lines = BufReader::new(copying.stderr.take().unwrap()).lines();
    let mut copying = Running(copying);
    let seen = lines
        .map_while(Result::ok)
        .any(|line| line == "payments: 1 rows");
    assert!(seen, "it ended before its payments");
    copying.0.kill().unwrap();
    copying.0.wait().unwrap();
    assert_eq!(
        database_condition(&to).await.unwrap(),
        DatabaseCondition::HalfCopied
    );
    let mut service = program(folder.path(), &[]);
    service
        .env("ADDRESS", PAYEE)
        .env("FACILITATOR", "demo")
        .env("DATABASE", &url)
        .env("PORT", "0")
        .env("INGRESS_PORT", "0")
        .env("SSH_PORT", "0");
    service
        .env("PVE_HOST", "https://127.0.0.1:1")
        .env("PVE_TOKEN_ID", "a@pve!b");
    service
        .env("PVE_TOKEN_SECRET", "secret")
        .env("PVE_VERIFY_SSL", "false");
    let started = service.output().unwrap();
    assert!(!started.status.success());
    let refused = said(&started);
    assert!(
        refused.contains("unfinished copy") || refused.contains("is being copied"),
        "{refused}"
    );
    drop(client);
    connection.await.unwrap().unwrap();
    let again = program(folder.path(), &["store", "copy", &file, &url])
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", said(&again));
    // The rows of the first run are not copied again.
    let text = said(&again);
    assert!(!text.contains("events: 10000 rows"), "{text}");
    assert!(text.contains("events                  30000"), "{text}");
    Store::open_database(&to).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_full_disk_stops_a_copy_which_goes_on_and_a_backup_which_leaves_nothing() {
    let url = replicas::database().await;
    let folder = tempfile::tempdir().unwrap();
    let file = a_file(folder.path()).await;
    let run = |command: &mut Command| command.output().unwrap();
    let there = run(&mut program(folder.path(), &["store", "copy", &file, &url]));
    assert!(there.status.success(), "{}", said(&there));
    // Limits files to this many blocks of 512 bytes; with the signal ignored, a write fails as on a
    // full disk.
    let limited = |arguments: &[&str]| {
        let mut shell = Command::new("sh");
        let limit = "trap '' XFSZ; ulimit -f 6000; exec \"$@\"";
        shell.args(["-c", limit, "sh", env!("CARGO_BIN_EXE_proxmox-api")]);
        let shell = shell.args(arguments).current_dir(folder.path()).env_clear();
        shell
            .env("DATABASE", &file)
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
    };
    let back = folder.path().join("back.sqlite");
    let to = back.display().to_string();
    let full = limited(&["store", "copy", &url, &to]);
    let text = said(&full);
    assert!(!full.status.success(), "{text}");
    assert!(
        text.contains("the copy stopped") && text.contains("same command"),
        "{text}"
    );
    let condition = database_condition(&Database::File(back)).await.unwrap();
    assert_eq!(condition, DatabaseCondition::HalfCopied);
    let again = run(&mut program(folder.path(), &["store", "copy", &url, &to]));
    assert!(again.status.success(), "{}", said(&again));
    let table = |output: &Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| !line.starts_with("Copied"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(table(&again), table(&there));
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    let full = limited(&["backup", "backup.sqlite"]);
    assert!(!full.status.success(), "{}", said(&full));
    let after = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(after, before, "nothing is left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_service_a_backup_is_made_and_a_copy_refused() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("infra402.sqlite");
    let mut command = process::service(folder.path(), &database, &sim);
    let service = Running(command.stderr(Stdio::null()).spawn().unwrap());
    let configured = Database::File(database.clone());
    until("the service to have made its schema", async || {
        let found = database.exists() && FileLock::take(&database).is_err();
        (found
            && matches!(
                database_condition(&configured).await,
                Ok(DatabaseCondition::InOrder)
            ))
        .then_some(())
    })
    .await;
    let mut backup = program(folder.path(), &["backup", "backup.sqlite"]);
    let made = backup.env("DATABASE", &database).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    Store::open(&folder.path().join("backup.sqlite")).unwrap();
    let secret = "postgres://user:s3cret@127.0.0.1:1/infra402";
    let mut copying = program(folder.path(), &["store", "copy", "-", secret]);
    let refused = copying.env("DATABASE", &database).output().unwrap();
    let text = said(&refused);
    assert!(!refused.status.success(), "{text}");
    assert!(
        text.contains("another process has this database open"),
        "{text}"
    );
    drop(service);
    let mut copying = program(folder.path(), &["store", "copy", "-", secret]);
    let away = copying.env("DATABASE", &database).output().unwrap();
    let more = said(&away);
    assert!(more.contains("cannot connect"), "{more}");
    assert!(
        !text.contains("s3cret") && !more.contains("s3cret"),
        "{text}{more}"
    );
}
