//! The cost of commands and consoles, without the programs that run in them.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::{
    BenchSize, FAST,
    customer::Customer,
    figures::{durations, figure, skip},
    stage::{BenchTestbed, simulator_program},
};

const OVER_TERMINAL: &str = "added to a command, paid";
const OVER_SSH: &str = "added to a command, paid, over SSH";

pub async fn measure(stage: &BenchTestbed, extent: &BenchSize) {
    let customer = Customer::new(stage).await;
    let ctid = customer.lease(stage).await;
    commands(stage, &customer, ctid, extent.commands, OVER_TERMINAL).await;
    echoes(stage, &customer, ctid, extent.keys).await;
    many(stage, &customer, extent.consoles).await;
}

/// The same commands, by SSH to the simulator's containers.
pub async fn measure_ssh(extent: &BenchSize) {
    if !simulator_program().exists() {
        skip(OVER_SSH, "pve-sim is not built beside the service");
        return;
    }
    let stage = BenchTestbed::with_ssh(FAST).await;
    let customer = Customer::new(&stage).await;
    let ctid = customer.lease(&stage).await;
    let token = customer.sign_in(&stage).await;
    stage.await_ssh(ctid, &token).await;
    commands(&stage, &customer, ctid, extent.commands, OVER_SSH).await;
}

/// A command that takes half a second, for the whole paid call; the rest is the time of the service
/// and of the way into the container.
async fn commands(stage: &BenchTestbed, customer: &Customer, ctid: u32, count: usize, name: &str) {
    let own = Duration::from_millis(500);
    let (path, body) = (
        format!("/management/exec/{ctid}"),
        json!({"command": "sleep 0.5"}),
    );
    let mut spent = Vec::new();
    let mut ways = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        let answer = customer.pay(stage, &path, &body).await;
        spent.push(start.elapsed().saturating_sub(own));
        assert_eq!(answer["exitCode"], 0, "{answer}");
        ways.push(answer["via"].clone());
    }
    ways.dedup();
    let way = if name == OVER_SSH { "ssh" } else { "terminal" };
    assert_eq!(ways, [way]);
    durations(name, &mut spent);
}

/// The time from a key to its echo, through the service, its socket to Proxmox and the shell's
/// terminal.
async fn echoes(stage: &BenchTestbed, customer: &Customer, ctid: u32, count: usize) {
    let mut console = Console::open(stage, customer, ctid).await;
    let mut spent = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        console.echo(b"x").await;
        spent.push(start.elapsed());
    }
    durations("console, key to echo", &mut spent);
}

/// Memory of the service with many open consoles, each of which has shown output.
async fn many(stage: &BenchTestbed, customer: &Customer, count: usize) {
    let mut ctids = Vec::new();
    for _ in 0..count {
        ctids.push(customer.lease(stage).await);
    }
    let before = stage.service.memory();
    let mut consoles = Vec::new();
    for ctid in ctids {
        let mut console = Console::open(stage, customer, ctid).await;
        console.echo(b"x").await;
        consoles.push(console);
    }
    let grown = stage.service.memory().saturating_sub(before);
    figure("consoles open at once", count as f64, "consoles");
    figure(
        "memory for each console",
        grown as f64 / 1e3 / count as f64,
        "KB",
    );
}

/// An open console.
pub struct Console(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Console {
    /// Buys a ticket, opens it and waits until the shell is quiet.
    pub async fn open(stage: &BenchTestbed, customer: &Customer, ctid: u32) -> Self {
        let path = format!("/management/console/{ctid}");
        let bought = customer.pay(stage, &path, &json!({})).await;
        let url = format!("ws://{}/console/ws", stage.address);
        let (mut socket, _) = connect_async(url).await.unwrap();
        let opening = json!({"ticket": bought["ticket"]}).to_string();
        socket.send(Message::text(opening)).await.unwrap();
        let quiet = Duration::from_millis(200);
        while tokio::time::timeout(quiet, socket.next()).await.is_ok() {}
        Self(socket)
    }

    /// Types without waiting.
    pub async fn write(&mut self, keys: &[u8]) {
        self.0.send(Message::binary(keys.to_vec())).await.unwrap();
    }

    /// Reads until this many bytes were shown.
    pub async fn reads_at_least(&mut self, bytes: u64) {
        let mut shown = 0;
        while shown < bytes {
            if let Message::Binary(more) = self.0.next().await.unwrap().unwrap() {
                shown += more.len() as u64;
            }
        }
    }

    /// Reads everything that is shown for this time, or until the console's limit on bytes is
    /// reached; returns the bytes.
    pub async fn reads_for(&mut self, time: Duration) -> u64 {
        let end = tokio::time::Instant::now() + time;
        let mut shown = 0;
        while let Ok(Some(Ok(message))) = tokio::time::timeout_at(end, self.0.next()).await {
            if let Message::Binary(more) = message {
                shown += more.len() as u64;
            }
        }
        shown
    }

    /// Types a key and waits until it is shown.
    async fn echo(&mut self, key: &[u8]) {
        self.0.send(Message::binary(key.to_vec())).await.unwrap();
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Binary(bytes) if bytes.windows(key.len()).any(|window| window == key) => {
                    return;
                }
                _ => {}
            }
        }
    }
}
