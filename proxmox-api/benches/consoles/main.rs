//! What commands and consoles cost beside what runs in them: `cargo bench -p proxmox-api --bench consoles`.
//!
//! The service is a process of its own, as customers have it; the simulated Proxmox with its shells is in this one.

// A failed set-up is a failed bench.
#![allow(clippy::unwrap_used)]

mod stage;

use std::time::{Duration, Instant};

use serde_json::json;
use stage::{Console, Stage};

const COMMANDS: usize = 30;
const KEYS: usize = 300;
const CONSOLES: usize = 100;

fn main() {
    // `cargo test --benches` only wants to know whether it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let stage = Stage::start().await;
    let ctid = stage.lease().await;
    commands(&stage, ctid).await;
    echoes(&stage, ctid).await;
    many(&stage).await;
}

/// A command that takes half a second, for the whole paid call; what is beyond that half is ours and the terminal's.
async fn commands(stage: &Stage, ctid: u32) {
    let own = Duration::from_millis(500);
    let mut spent = Vec::new();
    for _ in 0..COMMANDS {
        let start = Instant::now();
        let answer = stage.exec(ctid, json!({"command": "sleep 0.5"})).await;
        spent.push(start.elapsed().saturating_sub(own));
        assert_eq!(answer["exitCode"], 0, "{answer}");
    }
    report("command, over its own time, paid", &mut spent);
}

/// From a key to its echo, through the service, its socket to Proxmox and the shell's terminal.
async fn echoes(stage: &Stage, ctid: u32) {
    let mut console = Console::open(stage, ctid).await;
    let mut spent = Vec::new();
    for _ in 0..KEYS {
        let start = Instant::now();
        console.echo(b"x").await;
        spent.push(start.elapsed());
    }
    report("console, key to echo", &mut spent);
}

/// Memory of the service with a hundred consoles open, each of which has shown something.
async fn many(stage: &Stage) {
    let mut ctids = Vec::new();
    for _ in 0..CONSOLES {
        ctids.push(stage.lease().await);
    }
    let before = stage.memory();
    let mut consoles = Vec::new();
    for ctid in ctids {
        let mut console = Console::open(stage, ctid).await;
        console.echo(b"x").await;
        consoles.push(console);
    }
    let each = stage.memory().saturating_sub(before) / CONSOLES as u64;
    println!(
        "consoles open at once: {CONSOLES}; memory of the service each: {} KiB",
        each >> 10
    );
}

fn report(what: &str, spent: &mut [Duration]) {
    spent.sort();
    let at =
        |part: usize| spent[(spent.len() * part / 100).min(spent.len() - 1)].as_secs_f64() * 1000.0;
    println!(
        "{what}: median {:.1} ms, p99 {:.1} ms ({} times)",
        at(50),
        at(99),
        spent.len()
    );
}
