//! The cost of SSH into a guest. `cargo xtask bench` runs this and compares the figures with their
//! aims. To run it alone: `cargo bench -p guest --bench over_ssh`, with `-- --quick` for a short
//! run whose figures mean nothing, and `-- commands connections stall files` for some of it.
//!
//! The guest is a real OpenSSH server on loopback, with its default limits on sessions and logins.
//! It and the commands run on the same processors as this end.

// A failed set-up is a failed bench.
#![allow(clippy::unwrap_used)]

mod commands;
mod connections;
#[path = "../../../../proxmox-api/benches/lease_api/figures.rs"]
mod figures;
mod files;
#[allow(dead_code, reason = "the bench of the lease API uses more of it")]
#[path = "../../../../proxmox-api/benches/lease_api/process.rs"]
mod process;
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../tests/sshd/mod.rs"]
mod sshd;
mod stall;

use std::time::Duration;

/// The size of each measurement.
pub struct BenchSize {
    /// Commands one after the other.
    pub commands: usize,
    /// Commands at once.
    pub at_once: usize,
    /// Repetitions of what takes a second or more.
    pub rounds: usize,
    /// Logins.
    pub logins: usize,
    /// Idle connections.
    pub idle: usize,
    /// Size of a file, in MiB.
    pub file: usize,
}

const FULL: BenchSize = BenchSize {
    commands: 1_000,
    at_once: 50,
    rounds: 5,
    logins: 100,
    idle: 100,
    file: 256,
};

const QUICK: BenchSize = BenchSize {
    commands: 8,
    at_once: 3,
    rounds: 1,
    logins: 2,
    idle: 2,
    file: 1,
};

const PARTS: [&str; 4] = ["commands", "connections", "stall", "files"];

/// The figures that have an aim, and why there are none without a server.
const NAMES: [&str; 8] = [
    "warm command over SSH, median",
    "warm command over SSH, p99",
    "50 one-second commands at once, median",
    "cold SSH connection, median",
    stall::RATIO,
    stall::SLOWEST,
    files::INTO,
    files::OUT_OF,
];
const NO_SERVER: &str = "OpenSSH's server is not installed (Debian: openssh-server)";

fn main() {
    let asked = |word| std::env::args().any(|argument| argument == word);
    // `cargo test --benches` runs the bench only to check that it builds.
    if !asked("--bench") {
        return;
    }
    if cfg!(not(has_sshd)) {
        for name in NAMES {
            figures::skip(name, NO_SERVER);
        }
        return;
    }
    let size = if asked("--quick") { QUICK } else { FULL };
    let mut parts: Vec<_> = PARTS.into_iter().filter(|part| asked(part)).collect();
    if parts.is_empty() {
        parts.extend(PARTS);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(&size, &parts));
}

async fn measure(size: &BenchSize, parts: &[&str]) {
    let wanted = |part| parts.contains(&part);
    // The first: its memory grows by the need of the connections alone.
    if wanted("connections") {
        connections::measure(size).await;
    }
    if wanted("commands") {
        commands::measure(size).await;
    }
    if wanted("stall") {
        stall::measure(size).await;
    }
    if wanted("files") {
        files::measure(size).await;
    }
}

/// The middle one of some durations, in seconds.
fn median(spent: &mut [Duration]) -> f64 {
    spent.sort();
    spent[spent.len() / 2].as_secs_f64()
}
