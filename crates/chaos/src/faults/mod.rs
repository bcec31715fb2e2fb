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

use contention::disturb;
use targets::Targets;

use crate::{
    customers::client::wallet,
    random::Dice,
    world::{
        ledger::{Kind, Transfer},
        node::Weather,
    },
};

/// For how long a replica stands still, of the campaign's time.
const TWO_MINUTES: Duration = Duration::from_secs(120);
/// Real time after which the database ends a transaction in which nothing happens.
const LONGER_THAN_A_TRANSACTION: Duration = Duration::from_secs(24);

/// Sleeps for a time of the dice's, in real milliseconds.
async fn pause(dice: &mut Dice, low: u64, high: u64) {
    tokio::time::sleep(Duration::from_millis(dice.between(low, high))).await;
}

/// Lets all of them loose. They end once the faults are over.
pub fn begin(targets: &Targets, seed: u64) -> JoinSet<()> {
    let mut actors = JoinSet::new();
    let dice = |name: &str| Dice::of(seed, name);
    actors.spawn(killer(targets.clone(), dice("killer")));
    actors.spawn(host(targets.clone(), dice("proxmox")));
    actors.spawn(administrator(targets.clone(), dice("administrator")));
    actors.spawn(weather(targets.clone(), dice("node")));
    actors.spawn(reorganiser(targets.clone(), dice("reorganiser")));
    actors.spawn(strangers(targets.clone(), seed, dice("strangers")));
    actors.spawn(cutter(targets.clone(), dice("database")));
    actors.spawn(freezer(targets.clone(), dice("freezer")));
    actors.spawn(disturb(targets.clone(), dice("disturber")));
    actors
}

async fn killer(targets: Targets, mut dice: Dice) {
    while targets.goes_on() {
        pause(&mut dice, 1_500, 7_000).await;
        let which = dice.between(0, targets.services.len() as u64 - 1);
        let away = dice.between(0, 1_500);
        if !targets.goes_on() {
            return;
        }
        let service = &targets.services[usize::try_from(which).unwrap_or(0)];
        service.kill();
        targets.journal.count("fault", "process: killed by SIGKILL");
        tokio::time::sleep(Duration::from_millis(away)).await;
        if service.start().is_err() {
            targets.journal.note(&service.name(), "cannot be started");
        }
    }
}

/// Starts a process again that has ended by itself, as a supervisor does, and weighs all of them.
pub async fn supervise(targets: Targets, done: Arc<AtomicBool>) {
    while !done.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for service in &targets.services {
            service.weigh();
            if service.has_ended().unwrap_or(false) {
                targets.journal.count("process", "ended by itself");
                targets.journal.note(&service.name(), "ended by itself");
                let _ = service.start();
            }
        }
    }
}

async fn host(targets: Targets, mut dice: Dice) {
    while targets.goes_on() {
        pause(&mut dice, 200, 1_600).await;
        if targets.goes_on() {
            targets.cluster.misbehave(&mut dice);
        }
        // Faults that nothing met are not kept for a storm.
        if dice.percent(25) {
            targets.cluster.sim.faults().clear();
        }
    }
}

async fn administrator(targets: Targets, mut dice: Dice) {
    while targets.goes_on() {
        pause(&mut dice, 700, 4_000).await;
        if targets.goes_on() {
            let now = targets.clock.seconds();
            let (cluster, removed) = (&targets.cluster, &targets.removed);
            cluster.administer(&mut dice, now, removed).await;
        }
    }
}

async fn weather(targets: Targets, mut dice: Dice) {
    while targets.goes_on() {
        pause(&mut dice, 800, 4_000).await;
        let weather = match dice.between(0, 9) {
            0..3 => Weather::Down,
            3 => Weather::Silent,
            4..8 => Weather::Behind(dice.between(1, 60)),
            _ => Weather::Nonsense,
        };
        let word = format!("{weather:?}");
        let word = word.split('(').next().unwrap_or_default().to_lowercase();
        targets.journal.fault("node", &format!("chain: {word}"));
        targets.node.set(weather);
        pause(&mut dice, 300, 2_500).await;
        targets.node.set(Weather::Good);
    }
}

async fn reorganiser(targets: Targets, mut dice: Dice) {
    while targets.goes_on() {
        pause(&mut dice, 1_000, 4_000).await;
        let blocks = dice.between(1, 40);
        let moved = targets.ledger.reorganise(blocks);
        if moved > 0 {
            targets
                .journal
                .fault("chain", "chain: reorganised under transfers");
        }
    }
}

/// Transfers to the payee by wallets that bought nothing.
async fn strangers(targets: Targets, seed: u64, mut dice: Dice) {
    let stranger = wallet(seed, "stranger").address();
    targets.ledger.fund(stranger, 1_000_000_000);
    while targets.goes_on() {
        pause(&mut dice, 1_500, 5_000).await;
        let (value, nonce) = (dice.between(1, 40_000), dice.bytes());
        let to = targets.pay_to;
        let wanted = Transfer::wanted(Kind::Plain, stranger, to, value, nonce, u64::MAX / 4_000);
        if targets.ledger.send(&wanted, 0, 0).is_ok() {
            targets
                .journal
                .fault("chain", "chain: a stranger's transfer");
        }
    }
}

async fn cutter(targets: Targets, mut dice: Dice) {
    if !targets.database.is_server() {
        return;
    }
    let mut next = dice.between(4, 14);
    let begun = Instant::now();
    while targets.goes_on() {
        pause(&mut dice, 2_000, 8_000).await;
        let (crashes, away) = (dice.percent(15), dice.between(50, 1_500));
        let wakes = dice.percent(40);
        if !targets.goes_on() {
            return;
        }
        let (database, away) = (targets.database.clone(), Duration::from_millis(away));
        let fails_over = begun.elapsed().as_secs() >= next;
        if fails_over {
            next = begun.elapsed().as_secs() + dice.between(25, 50);
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
async fn freezer(targets: Targets, mut dice: Dice) {
    if targets.services.len() < 2 {
        return;
    }
    while targets.goes_on() {
        pause(&mut dice, 2_000, 15_000).await;
        let which = dice.between(0, targets.services.len() as u64 - 1);
        let long = dice.percent(25);
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
            targets.journal.note(&service.name(), "wakes up");
        }
    }
}
