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
    customers::client::{store_address, wallet},
    customers::customer::{CustomerContext, run_customer},
    customers::purchases::Purchase,
    evidence::{
        Evidence, history, logs, marks, secrets, snapshot, unfinished, unfinished_looks,
        unfinished_of_a_day,
    },
    faults::{self, contention, targets::FaultTargets},
    options::CampaignOptions,
    testbed::{PAY_TO, Testbed, advance_simulator_clock, set_up},
    world::database::Database,
    world::ledger::TransferKind,
    world::node::NodeCondition,
};

/// Times that a customer asks again for what was paid.
const FINAL_ATTEMPTS: usize = 8;

/// Runs one.
///
/// # Errors
/// Something of the campaign's own does not work; faults of the service are in the evidence.
pub async fn run(options: &CampaignOptions) -> Result<Option<Evidence>> {
    let Some(testbed) = set_up(options).await? else {
        return Ok(None);
    };
    for service in &testbed.services {
        service.start()?;
        service.answers(&testbed.client.http).await?;
    }
    history::create_triggers(&testbed.database)?;
    contention::create_failing_triggers(&testbed.database)?;
    let (over, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let removed = Arc::new(Mutex::new(Vec::new()));
    let targets = FaultTargets {
        services: testbed.services.clone(),
        cluster: Arc::clone(&testbed.cluster),
        ledger: Arc::clone(&testbed.ledger),
        node: Arc::clone(&testbed.node),
        database: testbed.database.clone(),
        clock: Arc::clone(&testbed.clock),
        journal: Arc::clone(&testbed.journal),
        removed: Arc::clone(&removed),
        over: Arc::clone(&over),
        pay_to: PAY_TO,
    };
    let mut helpers = JoinSet::new();
    helpers.spawn(faults::restart_ended_processes(
        targets.clone(),
        Arc::clone(&done),
    ));
    helpers.spawn(advance_simulator_clock(
        Arc::clone(&testbed.clock),
        Arc::clone(&testbed.cluster),
    ));
    let closed = Arc::new(AtomicBool::new(false));
    let context = CustomerContext {
        client: testbed.client.clone(),
        ledger: Arc::clone(&testbed.ledger),
        marks: testbed.marks.clone(),
        closed: Arc::clone(&closed),
    };
    let mut actors = faults::start(&targets, options.seed);
    let mut customers = JoinSet::new();
    for number in 0..options.customers {
        customers.spawn(run_customer(context.clone(), options.seed, number));
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
    contention::drop_failing_triggers(&testbed.database, &testbed.journal)?;
    end_faults(&testbed).await?;
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    // A long campaign leaves more to look for.
    let at_most = (2 * minute).max(options.length / 4);
    advance_until_quiet(&testbed, 2 * minute, 14, at_most, unfinished_looks).await?;
    repeat_unanswered(&testbed).await;
    let shown = read_shown_payments(&testbed, options).await;
    let left = advance_until_quiet(&testbed, minute / 2, 3, minute / 2, unfinished).await?;
    let midway = snapshot(&testbed, &left)?;
    let left = advance_until_quiet(&testbed, hour, 28, at_most, unfinished_of_a_day).await?;
    let end = snapshot(&testbed, &left)?;
    done.store(true, Ordering::SeqCst);
    helpers.shutdown().await;
    let memory = testbed
        .services
        .iter()
        .map(|one| (one.name(), one.measure_memory()))
        .collect();
    let purchases = testbed.client.purchases.all();
    for service in &testbed.services {
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
        transfers: testbed.ledger.transfers(),
        pay_to: PAY_TO,
        removed,
        marks: marks(&testbed.marks)?,
        logs: logs(&testbed.services),
        memory,
        secrets: secrets(&testbed, &purchases),
        purchases,
        journal: Arc::clone(&testbed.journal),
    }))
}

/// The faults stop, and every process is started anew, as after a bad day.
async fn end_faults(testbed: &Testbed) -> Result<()> {
    testbed.facilitator.become_honest();
    testbed.node.set(NodeCondition::Good);
    testbed.cluster.put_in_order();
    for service in &testbed.services {
        service.kill();
        service.start()?;
    }
    for service in &testbed.services {
        service.answers(&testbed.client.http).await?;
    }
    testbed.journal.record("campaign", "the faults are over");
    Ok(())
}

/// Puts the time forward until nothing is worked on, at least so many times. What is left after the longest wait, or after
/// nothing has changed for long, is given back.
async fn advance_until_quiet(
    testbed: &Testbed,
    step: Duration,
    at_least: u32,
    at_most: Duration,
    unfinished: fn(&Database) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let (mut changed, mut before) = (Instant::now(), Vec::new());
    let deadline = Instant::now() + at_most;
    for round in 1_u32.. {
        testbed.clock.advance(step)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if round == 3 {
            // A task that a fault broke off may have left its lock.
            testbed.cluster.put_in_order();
        }
        let left = unfinished(&testbed.database)?;
        if left != before {
            (changed, before) = (Instant::now(), left);
        }
        let over = Instant::now() > deadline || changed.elapsed() > testbed.stuck_after;
        if round >= at_least && (before.is_empty() || over) {
            break;
        }
    }
    Ok(before)
}

/// Customers ask again for everything that they paid for and were not told about.
async fn repeat_unanswered(testbed: &Testbed) {
    let paid = |purchase: &Purchase| {
        let one = testbed.ledger.find_by_nonce(purchase.payer, purchase.nonce);
        one.is_some_and(|one| one.kind == TransferKind::Authorized && one.to == PAY_TO)
    };
    let all = testbed.client.purchases.all();
    let to_ask: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, purchase)| paid(purchase))
        .filter(|(_, purchase)| {
            purchase
                .responses
                .last()
                .is_none_or(|response| response.status != 200)
        })
        .map(|(number, _)| number)
        .collect();
    let asks = to_ask.into_iter().map(|number| async move {
        for _ in 0..FINAL_ATTEMPTS {
            let response = testbed
                .client
                .send(number, number, Duration::from_secs(40))
                .await;
            if response.is_final() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    stream::iter(asks).buffer_unordered(6).collect::<()>().await;
}

/// What each wallet sees of its payments.
async fn read_shown_payments(
    testbed: &Testbed,
    options: &CampaignOptions,
) -> BTreeMap<String, Vec<String>> {
    let mut shown = BTreeMap::new();
    for number in 0..options.customers {
        let wallet = wallet(options.seed, &format!("customer {number}"));
        let mut nonces = Vec::new();
        let session = testbed.client.sign_in(&wallet, number).await;
        let mut before = String::new();
        loop {
            let path = format!("/payments?limit=200{before}");
            let client = &testbed.client;
            let response = client
                .send_to_replica(number, Method::GET, &path, session.as_deref())
                .await;
            let page = response.body["payments"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            nonces.extend(
                page.iter()
                    .filter_map(|one| one["nonce"].as_str().map(str::to_lowercase)),
            );
            match response.body["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        shown.insert(store_address(wallet.address()), nonces);
    }
    shown
}
