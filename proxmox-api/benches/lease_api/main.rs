//! The cost of the lease API. `cargo xtask bench` runs this and compares the figures with their
//! aims. To run it alone: `cargo bench -p proxmox-api --bench lease_api`, with `-- --quick` for a
//! short run whose figures mean nothing, and `-- databases history calls leases list consoles
//! ingress hostile ends` for some of it.
//!
//! The service is a separate process, as in an installation, with its ordinary log and a store on
//! disk. The customers and the simulated Proxmox run in this process, so that the service's
//! processor time and memory are measured alone. Everything is paid for.

// A failed set-up is a failed bench.
#![allow(clippy::unwrap_used)]

mod calls;
mod connection;
mod consoles;
mod customer;
mod databases;
mod delay;
mod ends;
mod figures;
#[path = "../../examples/fill_store/fill.rs"]
mod fill;
mod history;
mod hostile;
mod ingress;
mod leases;
mod list;
mod load;
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../tests/postgres/mod.rs"]
mod postgres;
mod process;
mod quota;
mod stage;

use std::path::Path;
use std::time::Duration;

use figures::figure;
use postgres::Postgres;
use stage::BenchTestbed;

/// The size of each measurement.
pub struct BenchSize {
    /// Requested challenges.
    pub challenges: usize,
    /// Paid calls at each concurrency.
    pub calls: usize,
    /// Leases made in Proxmox's real time.
    pub leases: usize,
    /// Leases in the list.
    pub listed: usize,
    /// Requests for the list.
    pub looks: usize,
    /// Commands.
    pub commands: usize,
    /// Keys typed.
    pub keys: usize,
    /// Consoles open at once.
    pub consoles: usize,
    /// Requests through the ingress.
    pub requests: usize,
    /// Megabytes of a large body.
    pub megabytes: usize,
    /// WebSockets to published ports.
    pub websockets: usize,
    /// Leases that end.
    pub ends: usize,
    /// Seconds in which those leases end.
    pub ends_within: u64,
    /// Factor on Proxmox's durations while leases are timed.
    pub time_scale: f64,
    /// Payments of the store with a long history.
    pub payments: i64,
    /// The fewest rounds for each route, on this store and on one with a short history.
    pub rounds: usize,
    /// Processor time of each round.
    pub round: Duration,
}

const FULL: BenchSize = BenchSize {
    challenges: 100_000,
    calls: 6_400,
    leases: 24,
    listed: 1_000,
    looks: 30,
    commands: 30,
    keys: 300,
    consoles: 100,
    requests: 500,
    megabytes: 1_000,
    websockets: 1_000,
    ends: 500,
    ends_within: 60,
    time_scale: 1.0,
    payments: 1_000_000,
    rounds: 40,
    round: Duration::from_millis(120),
};

const QUICK: BenchSize = BenchSize {
    challenges: 200,
    calls: 64,
    leases: 2,
    listed: 5,
    looks: 2,
    commands: 2,
    keys: 5,
    consoles: 2,
    requests: 3,
    megabytes: 1,
    websockets: 2,
    ends: 5,
    ends_within: 2,
    time_scale: 0.01,
    payments: 4_000,
    rounds: 1,
    round: Duration::from_millis(10),
};

/// Factor on Proxmox's durations in all other measurements.
const FAST: f64 = 0.001;

/// The reason why PostgreSQL has no figure.
const NO_SERVER: &str = "PostgreSQL is not installed";

const PARTS: [&str; 9] = [
    "databases",
    "history",
    "calls",
    "leases",
    "list",
    "consoles",
    "ingress",
    "hostile",
    "ends",
];

fn main() {
    let asked = |word| std::env::args().any(|argument| argument == word);
    // `cargo test --benches` runs the bench only to check that it builds.
    if !asked("--bench") {
        return;
    }
    let extent = if asked("--quick") { QUICK } else { FULL };
    let mut parts: Vec<_> = PARTS.into_iter().filter(|part| asked(part)).collect();
    if parts.is_empty() {
        parts.extend(PARTS);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(&extent, &parts));
}

async fn measure(extent: &BenchSize, parts: &[&str]) {
    let wanted = |part| parts.contains(&part);
    if wanted("databases") || wanted("history") {
        let server = Postgres::durable(Path::new(env!("CARGO_TARGET_TMPDIR")));
        if wanted("databases") {
            databases::measure(extent, server.as_ref()).await;
        }
        if wanted("history") {
            history::measure(extent, server.as_ref()).await;
        }
    }
    if parts
        .iter()
        .all(|part| ["databases", "history"].contains(part))
    {
        return;
    }
    let stage = BenchTestbed::start(extent.time_scale).await;
    figure("memory, idle", stage.service.memory() as f64 / 1e6, "MB");
    if wanted("calls") {
        let peak = calls::measure(&stage, extent).await;
        figure("memory, under load", peak as f64 / 1e6, "MB");
    }
    if wanted("leases") {
        leases::measure(&stage, extent).await;
    }
    stage.sim.set_time_scale(FAST);
    if wanted("list") {
        list::measure(&stage, extent).await;
    }
    drop(stage);
    if wanted("consoles") {
        // A fresh process, so that its memory grows by the need of the consoles.
        let stage = BenchTestbed::start(FAST).await;
        consoles::measure(&stage, extent).await;
        drop(stage);
        consoles::measure_ssh(extent).await;
    }
    if wanted("ingress") {
        ingress::measure(extent).await;
    }
    if wanted("hostile") {
        let stage = BenchTestbed::start(FAST).await;
        hostile::measure(&stage, extent).await;
    }
    if wanted("ends") {
        let stage = BenchTestbed::on(&ends::NODES, FAST).await;
        ends::measure(&stage, extent).await;
    }
}
