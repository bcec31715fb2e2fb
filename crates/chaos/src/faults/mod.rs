//! What befalls the service while customers buy. Each kind of fault is an actor with a stream of
//! its own.

pub mod contention;
pub mod targets;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use contention::hold_rows;
use targets::FaultTargets;

use crate::{
    customers::client::wallet,
    random::SeededRandom,
    world::{
        ledger::{Transfer, TransferKind},
        node::NodeCondition,
    },
};

/// For how long a replica stands still, of the campaign's time.
const TWO_MINUTES: Duration = Duration::from_secs(120);
/// Real time after which the database ends a transaction in which nothing happens.
const LONGER_THAN_A_TRANSACTION: Duration = Duration::from_secs(24);

/// Sleeps for a time of the dice's, in real milliseconds.
async fn pause(random: &mut SeededRandom, low: u64, high: u64) {
    tokio::time::sleep(Duration::from_millis(random.between(low, high))).await;
}

/// Lets all of them loose. They end once the faults are over.
pub fn start(targets: &FaultTargets, seed: u64) -> JoinSet<()> {
    let mut actors = JoinSet::new();
    let random = |name: &str| SeededRandom::for_actor(seed, name);
    actors.spawn(kill_processes(targets.clone(), random("killer")));
    actors.spawn(fail_proxmox(targets.clone(), random("proxmox")));
    actors.spawn(run_administrator(targets.clone(), random("administrator")));
    actors.spawn(disturb_node(targets.clone(), random("node")));
    actors.spawn(reorganise_chain(targets.clone(), random("reorganiser")));
    actors.spawn(send_unrelated_transfers(
        targets.clone(),
        seed,
        random("strangers"),
    ));
    actors.spawn(fail_database(targets.clone(), random("database")));
    actors.spawn(freeze_replicas(targets.clone(), random("freezer")));
    actors.spawn(hold_rows(targets.clone(), random("disturber")));
    actors
}

async fn kill_processes(targets: FaultTargets, mut random: SeededRandom) {
    while targets.goes_on() {
        pause(&mut random, 1_500, 7_000).await;
        let which = random.between(0, targets.services.len() as u64 - 1);
        let away = random.between(0, 1_500);
        if !targets.goes_on() {
            return;
        }
        let service = &targets.services[usize::try_from(which).unwrap_or(0)];
        service.kill();
        targets.journal.count("fault", "process: killed by SIGKILL");
        tokio::time::sleep(Duration::from_millis(away)).await;
        if service.start().is_err() {
            targets.journal.record(&service.name(), "cannot be started");
        }
    }
}

/// Starts a process again that has ended by itself, as a supervisor does, and weighs all of them.
pub async fn restart_ended_processes(targets: FaultTargets, done: Arc<AtomicBool>) {
    while !done.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for service in &targets.services {
            service.measure_memory();
            if service.has_ended().unwrap_or(false) {
                targets.journal.count("process", "ended by itself");
                targets.journal.record(&service.name(), "ended by itself");
                let _ = service.start();
            }
        }
    }
}

async fn fail_proxmox(targets: FaultTargets, mut random: SeededRandom) {
    while targets.goes_on() {
        pause(&mut random, 200, 1_600).await;
        if targets.goes_on() {
            targets.cluster.inject_fault(&mut random);
        }
        // Faults that nothing met are not kept for a storm.
        if random.percent(25) {
            targets.cluster.sim.faults().clear();
        }
    }
}

async fn run_administrator(targets: FaultTargets, mut random: SeededRandom) {
    while targets.goes_on() {
        pause(&mut random, 700, 4_000).await;
        if targets.goes_on() {
            let now = targets.clock.seconds();
            let (cluster, removed) = (&targets.cluster, &targets.removed);
            cluster.administer(&mut random, now, removed).await;
        }
    }
}

async fn disturb_node(targets: FaultTargets, mut random: SeededRandom) {
    while targets.goes_on() {
        pause(&mut random, 800, 4_000).await;
        let condition = match random.between(0, 9) {
            0..3 => NodeCondition::Down,
            3 => NodeCondition::Silent,
            4..8 => NodeCondition::Behind(random.between(1, 60)),
            _ => NodeCondition::Nonsense,
        };
        let name = format!("{condition:?}");
        let name = name.split('(').next().unwrap_or_default().to_lowercase();
        targets.journal.fault("node", &format!("chain: {name}"));
        targets.node.set(condition);
        pause(&mut random, 300, 2_500).await;
        targets.node.set(NodeCondition::Good);
    }
}

async fn reorganise_chain(targets: FaultTargets, mut random: SeededRandom) {
    while targets.goes_on() {
        pause(&mut random, 1_000, 4_000).await;
        let blocks = random.between(1, 40);
        let moved = targets.ledger.reorganise(blocks);
        if moved > 0 {
            targets
                .journal
                .fault("chain", "chain: reorganised under transfers");
        }
    }
}

/// Transfers to the payee by wallets that bought nothing.
async fn send_unrelated_transfers(targets: FaultTargets, seed: u64, mut random: SeededRandom) {
    let stranger = wallet(seed, "stranger").address();
    targets.ledger.fund(stranger, 1_000_000_000);
    while targets.goes_on() {
        pause(&mut random, 1_500, 5_000).await;
        let (value, nonce) = (random.between(1, 40_000), random.bytes());
        let to = targets.pay_to;
        let wanted = Transfer::unsent(
            TransferKind::Plain,
            stranger,
            to,
            value,
            nonce,
            u64::MAX / 4_000,
        );
        if targets.ledger.send(&wanted, 0, 0).is_ok() {
            targets
                .journal
                .fault("chain", "chain: a stranger's transfer");
        }
    }
}

async fn fail_database(targets: FaultTargets, mut random: SeededRandom) {
    if !targets.database.is_server() {
        return;
    }
    let mut next = random.between(4, 14);
    let begun = Instant::now();
    while targets.goes_on() {
        pause(&mut random, 2_000, 8_000).await;
        let (crashes, away) = (random.percent(15), random.between(50, 1_500));
        let wakes = random.percent(40);
        if !targets.goes_on() {
            return;
        }
        let (database, away) = (targets.database.clone(), Duration::from_millis(away));
        let fails_over = begun.elapsed().as_secs() >= next;
        if fails_over {
            next = begun.elapsed().as_secs() + random.between(25, 50);
        }
        let done = tokio::task::spawn_blocking(move || match (fails_over, crashes) {
            (true, _) => database.fail_over(away, wakes).map(|()| match wakes {
                true => "fails over, and the old primary wakes up beside it",
                false => "fails over",
            }),
            (false, true) => database.crash(away).map(|()| "crashes"),
            (false, false) => database.cut().map(|()| "connections are cut"),
        });
        match done.await {
            Ok(Ok(kind)) => targets
                .journal
                .fault("database", &format!("database: {kind}")),
            Ok(Err(error)) => panic!("the database does not fail as it should: {error:#}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A replica stands still for two minutes of the campaign's time, and sometimes for longer than the
/// database keeps the transaction of one that hangs. Then it goes on as if nothing had happened.
async fn freeze_replicas(targets: FaultTargets, mut random: SeededRandom) {
    if targets.services.len() < 2 {
        return;
    }
    while targets.goes_on() {
        pause(&mut random, 2_000, 15_000).await;
        let which = random.between(0, targets.services.len() as u64 - 1);
        let long = random.percent(25);
        if !targets.goes_on() {
            return;
        }
        let service = &targets.services[usize::try_from(which).unwrap_or(0)];
        let Some(frozen) = service.freeze() else {
            continue;
        };
        let still = match long {
            true => LONGER_THAN_A_TRANSACTION,
            false => targets.clock.real(TWO_MINUTES),
        };
        let what = if long { "long" } else { "for two minutes" };
        let text = format!("process: frozen {what}");
        targets.journal.fault(&service.name(), &text);
        let until = Instant::now() + still;
        while Instant::now() < until && targets.goes_on() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if service.wake(frozen) {
            targets.journal.record(&service.name(), "wakes up");
        }
    }
}
