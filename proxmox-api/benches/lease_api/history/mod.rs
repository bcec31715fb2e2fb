//! Whether cost grows with history. Each route is measured on a store with a million payments (c)
//! and on one that holds only a page of one wallet's payments and leases (a), so that both show
//! equally much. Rounds on both alternate, and each ratio is of two adjacent rounds, so that other
//! load on the machine affects both. Rates are per second of processor time of the service and of
//! the database, which does not change while they wait for a disk or for other programs; rates by
//! the clock are printed as well.

mod others;
mod rounds;
mod routes;
mod side;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    BenchSize, NO_SERVER,
    figures::{figure, skip},
    fill::{self, fill},
    postgres::Postgres,
};
use routes::Route;
use side::Side;

/// Figures that have an aim and need PostgreSQL.
const ON_SERVER: [&str; 3] = [
    "history, PostgreSQL, least of all routes, c over a",
    "history, PostgreSQL, memory, c over a",
    "history, PostgreSQL, others' lists, a wallet with 20,000 payments leasing, over a new one",
];

pub async fn measure(extent: &BenchSize, server: Option<&Postgres>) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let files = stores(folder.path(), extent);
    let databases = server.map(|server| files.each_ref().map(|file| moved(file, server)));
    let files = files.map(|file| file.to_str().unwrap().to_owned());
    compare("SQLite", &files, None, extent).await;
    // Both stores together take some gigabytes.
    drop(folder);
    match (server, databases) {
        (Some(server), Some(databases)) => {
            compare("PostgreSQL", &databases, Some(server.pid()), extent).await;
        }
        _ => ON_SERVER.iter().for_each(|name| skip(name, NO_SERVER)),
    }
}

/// The files of a and c.
fn stores(folder: &Path, extent: &BenchSize) -> [PathBuf; 2] {
    let page = fill::StoreSize {
        payments: 400,
        leases: 100,
        events: 400,
        ..fill::StoreSize::default()
    };
    let long = fill::StoreSize::with_payments(extent.payments);
    [("a.sqlite", page), ("c.sqlite", long)].map(|(name, filled)| {
        let file = folder.join(name);
        let blanked = true;
        fill(&file, &fill::StoreSize { blanked, ..filled }).unwrap();
        file
    })
}

/// Copies a store to a database of the server, as operators do; returns its URL.
fn moved(file: &Path, server: &Postgres) -> String {
    let database = server.empty();
    let url = server.url("postgres", &database, "sslmode=disable");
    let output = Command::new(env!("CARGO_BIN_EXE_proxmox-api"))
        .env_clear()
        .args(["store", "copy"])
        .args([file.as_os_str(), url.as_ref()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    // Otherwise the server would do it during a round, and it would count for that round's store.
    server.sql(&database, "VACUUM ANALYZE");
    server.sql(&database, "CHECKPOINT");
    url
}

async fn compare(place: &str, stores: &[String; 2], server: Option<u32>, extent: &BenchSize) {
    let [a, c] = stores;
    let (a, c) = tokio::join!(Side::on(a, server), Side::on(c, server));
    let mut least = f64::INFINITY;
    for route in Route::ALL {
        let ratio = rounds::compare(*route, &a, &c, extent).await;
        let name = format!("history, {place}, {}, c over a", route.name());
        figure(&name, ratio.by_work, "times");
        figure(&format!("{name}, by the clock"), ratio.by_clock, "times");
        least = least.min(ratio.by_work);
    }
    let name = |what: &str| format!("history, {place}, {what}");
    figure(&name("least of all routes, c over a"), least, "times");
    let [short, long] = [&a, &c].map(|side| side.stage.service.memory() as f64);
    figure(&name("memory, a"), short / 1e6, "MB");
    figure(&name("memory, c"), long / 1e6, "MB");
    figure(&name("memory, c over a"), long / short, "times");
    drop(a);
    let (ratio, rate) = others::measure(&c, extent).await;
    let meanwhile = "others' lists, a wallet with 20,000 payments leasing";
    figure(&name(meanwhile), rate, "/s");
    let over = format!("{meanwhile}, over a new one");
    figure(&name(&over), ratio, "times");
}
