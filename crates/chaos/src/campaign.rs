//! A campaign from its beginning to what can be checked: customers buy while faults come, then the
//! faults stop, the processes run on until they are quiet, customers ask again for what they paid
//! for, and the rest of a day passes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use tokio::task::JoinSet;

use crate::{
    customers::client::{lower, wallet},
    customers::customer::{Town, live},
    customers::purchases::Purchase,
    evidence::{
        Evidence, history, logs, marks, secrets, snapshot, unfinished, unfinished_looks,
        unfinished_of_a_day,
    },
    faults::{self, contention, targets::Targets},
    options::Options,
    testbed::{PAY_TO, Stage, keep_time, set_up},
    world::database::Database,
    world::ledger::Kind,
    world::node::Weather,
};

/// Times that a customer asks again for what was paid.
const ASKED_AGAIN: usize = 8;

/// Runs one.
///
/// # Errors
/// Something of the campaign's own does not work; faults of the service are in the evidence.
pub async fn run(options: &Options) -> Result<Option<Evidence>> {
    let Some(stage) = set_up(options).await? else {
        return Ok(None);
    };
    for service in &stage.services {
        service.start()?;
        service.answers(&stage.counter.http).await?;
    }
    history::begin(&stage.database)?;
    contention::begin(&stage.database)?;
    let (over, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let removed = Arc::new(Mutex::new(Vec::new()));
    let targets = Targets {
        services: stage.services.clone(),
        cluster: Arc::clone(&stage.cluster),
        ledger: Arc::clone(&stage.ledger),
        node: Arc::clone(&stage.node),
        database: stage.database.clone(),
        clock: Arc::clone(&stage.clock),
        journal: Arc::clone(&stage.journal),
        removed: Arc::clone(&removed),
        over: Arc::clone(&over),
        pay_to: PAY_TO,
    };
    let mut helpers = JoinSet::new();
    helpers.spawn(faults::supervise(targets.clone(), Arc::clone(&done)));
    helpers.spawn(keep_time(
        Arc::clone(&stage.clock),
        Arc::clone(&stage.cluster),
    ));
    let closed = Arc::new(AtomicBool::new(false));
    let town = Town {
        counter: stage.counter.clone(),
        ledger: Arc::clone(&stage.ledger),
        marks: stage.marks.clone(),
        closed: Arc::clone(&closed),
    };
    let mut actors = faults::begin(&targets, options.seed);
    let mut customers = JoinSet::new();
    for number in 0..options.customers {
        customers.spawn(live(town.clone(), options.seed, number));
    }
    tokio::time::sleep(options.length).await;
    closed.store(true, Ordering::SeqCst);
    let _ = tokio::time::timeout(Duration::from_secs(30), async {
        while customers.join_next().await.is_some() {}
    })
    .await;
    customers.shutdown().await;
    over.store(true, Ordering::SeqCst);
    while let Some(ended) = actors.join_next().await {
        ended.context("an actor of the campaign broke")?;
    }
    contention::end(&stage.database, &stage.journal)?;
    settle(&stage).await?;
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    // A long campaign leaves more to look for.
    let at_most = (2 * minute).max(options.length / 4);
    quiet(&stage, 2 * minute, 14, at_most, unfinished_looks).await?;
    ask_again(&stage).await;
    let shown = payments(&stage, options).await;
    let left = quiet(&stage, minute / 2, 3, minute / 2, unfinished).await?;
    let midway = snapshot(&stage, &left)?;
    let left = quiet(&stage, hour, 28, at_most, unfinished_of_a_day).await?;
    let end = snapshot(&stage, &left)?;
    done.store(true, Ordering::SeqCst);
    helpers.shutdown().await;
    let memory = stage
        .services
        .iter()
        .map(|one| (one.name(), one.weigh()))
        .collect();
    let purchases = stage.counter.book.all();
    for service in &stage.services {
        service.kill();
    }
    let removed = removed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    Ok(Some(Evidence {
        midway,
        end,
        shown,
        transfers: stage.ledger.transfers(),
        pay_to: PAY_TO,
        removed,
        marks: marks(&stage.marks)?,
        logs: logs(&stage.services),
        memory,
        secrets: secrets(&stage, &purchases),
        purchases,
        journal: Arc::clone(&stage.journal),
    }))
}

/// The faults stop, and every process is started anew, as after a bad day.
async fn settle(stage: &Stage) -> Result<()> {
    stage.facilitator.be_honest();
    stage.node.set(Weather::Good);
    stage.cluster.put_in_order();
    for service in &stage.services {
        service.kill();
        service.start()?;
    }
    for service in &stage.services {
        service.answers(&stage.counter.http).await?;
    }
    stage.journal.note("campaign", "the faults are over");
    Ok(())
}

/// Puts the time forward until nothing is worked on, at least so many times. What is left after the longest wait, or after
/// nothing has changed for long, is given back.
async fn quiet(
    stage: &Stage,
    step: Duration,
    at_least: u32,
    at_most: Duration,
    unfinished: fn(&Database) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let (mut changed, mut before) = (Instant::now(), Vec::new());
    let deadline = Instant::now() + at_most;
    for round in 1_u32.. {
        stage.clock.advance(step)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if round == 3 {
            // A task that a fault broke off may have left its lock.
            stage.cluster.put_in_order();
        }
        let left = unfinished(&stage.database)?;
        if left != before {
            (changed, before) = (Instant::now(), left);
        }
        let over = Instant::now() > deadline || changed.elapsed() > stage.stuck_after;
        if round >= at_least && (before.is_empty() || over) {
            break;
        }
    }
    Ok(before)
}

/// Customers ask again for everything that they paid for and were not told about.
async fn ask_again(stage: &Stage) {
    let paid = |purchase: &Purchase| {
        let one = stage.ledger.of_nonce(purchase.payer, purchase.nonce);
        one.is_some_and(|one| one.kind == Kind::Authorized && one.to == PAY_TO)
    };
    let all = stage.counter.book.all();
    let to_ask: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, purchase)| paid(purchase))
        .filter(|(_, purchase)| purchase.told.last().is_none_or(|told| told.status != 200))
        .map(|(number, _)| number)
        .collect();
    let asks = to_ask.into_iter().map(|number| async move {
        for _ in 0..ASKED_AGAIN {
            let told = stage
                .counter
                .send(number, number, Duration::from_secs(40))
                .await;
            if told.is_final() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    stream::iter(asks).buffer_unordered(6).collect::<()>().await;
}

/// What each wallet sees of its payments.
async fn payments(stage: &Stage, options: &Options) -> BTreeMap<String, Vec<String>> {
    let mut shown = BTreeMap::new();
    for number in 0..options.customers {
        let wallet = wallet(options.seed, &format!("customer {number}"));
        let mut nonces = Vec::new();
        let session = stage.counter.sign_in(&wallet, number).await;
        let mut before = String::new();
        loop {
            let path = format!("/payments?limit=200{before}");
            let counter = &stage.counter;
            let told = counter
                .at(number, Method::GET, &path, session.as_deref())
                .await;
            let page = told.body["payments"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            nonces.extend(
                page.iter()
                    .filter_map(|one| one["nonce"].as_str().map(str::to_lowercase)),
            );
            match told.body["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        shown.insert(lower(wallet.address()), nonces);
    }
    shown
}
