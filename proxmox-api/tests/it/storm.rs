//! Many customers at once on a Proxmox with random faults: at the end the payments match the
//! containers.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::Buyer,
    support::{TestApp, until},
};

const LEASES: u64 = 200;
const AT_ONCE: usize = 32;
const WALLETS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_leases_with_random_faults_leave_books_and_machines_equal() {
    let everybody_at_once = [
        ("LEASES_IN_FLIGHT_PER_WALLET", "4"),
        ("LEASES_IN_FLIGHT_PER_ADDRESS", "100"),
        ("MAX_UNPAID_LEASES", "200"),
    ];
    let app = Arc::new(TestApp::with(&everybody_at_once).await);
    let mut buyers = Vec::new();
    for number in 0..WALLETS {
        buyers.push(Buyer::funded(&app, number).await);
    }
    let mut money = 0;
    for buyer in &buyers {
        money += app.balance(buyer.wallet()).await;
    }
    inject(&app);

    let (shared, everyone) = (Arc::clone(&app), &buyers);
    let leased: Vec<bool> = stream::iter(0..LEASES)
        .map(|number| {
            let app = Arc::clone(&shared);
            let buyer = everyone[usize::try_from(number % WALLETS).unwrap()].clone();
            async move {
                let body = json!({"runtimeMinutes": 60});
                let signed = buyer
                    .sign(&app, Method::POST, "/lease/container", Some(body))
                    .await
                    .with_key(&format!("storm-customer-{number:04}"));
                // A customer who is told to retry does so with the same payment.
                for _ in 0..40 {
                    let answer = signed.send(&app).await;
                    match answer.status.as_u16() {
                        200 => return true,
                        402 => return false,
                        202 | 409 | 429 | 502..=504 => {
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                        other => panic!("{other}: {:?}", answer.body),
                    }
                }
                false
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert!(
        app.sim.faults().hits() > 20,
        "too few faults to prove anything"
    );
    app.sim.faults().clear();

    let active = u32::try_from(leased.iter().filter(|done| **done).count()).unwrap();
    assert!(active > 150, "{active} of {LEASES} leased");
    until("books and machines to be equal", async || {
        let unfinished = app.app.store.unfinished_payments().await.unwrap();
        let counts = app.app.store.lease_counts().await.unwrap();
        let over = |state: &str| matches!(state, "active" | "destroyed");
        let containers = app.sim.containers();
        let running = containers.iter().all(|found| found.status == "running");
        (unfinished.is_empty()
            && counts
                .iter()
                .all(|(state, number)| over(state) || *number == 0)
            && counts.get("active").copied().unwrap_or(0) == active
            && running
            && u32::try_from(containers.len()).unwrap() == active)
            .then_some(())
    })
    .await;
    let mut left = 0;
    for buyer in &buyers {
        left += app.balance(buyer.wallet()).await;
    }
    let price = buyers[0]
        .sign(
            &app,
            Method::POST,
            "/lease/container",
            Some(json!({"runtimeMinutes": 60})),
        )
        .await
        .payment
        .authorization()
        .value;
    assert_eq!(
        money - left,
        u64::try_from(price).unwrap() * u64::from(active)
    );
}

/// Injects faults of every kind at random.
pub fn inject(app: &TestApp) {
    let faults = app.sim.faults();
    for (on, kind, probability) in [
        (Operation::Create, FaultKind::Answer596After, 0.03),
        (Operation::Create, FaultKind::DropAfter, 0.03),
        (Operation::Create, FaultKind::Unreachable595, 0.03),
        (Operation::Create, FaultKind::TaskFailure("no".into()), 0.03),
        (Operation::Start, FaultKind::LockTimeout, 0.03),
        (Operation::Start, FaultKind::Answer596After, 0.03),
        (Operation::Start, FaultKind::TaskFailure("no".into()), 0.03),
        (Operation::TaskStatus, FaultKind::Html502, 0.01),
        (Operation::Destroy, FaultKind::DropBefore, 0.05),
        (Operation::Status, FaultKind::Unreachable595, 0.01),
    ] {
        faults.inject(Fault::chance(on, kind, probability));
    }
    let mut lost = Vec::new();
    for _ in 0..5 {
        lost.push(SettleFault::LoseAnswer);
        lost.push(SettleFault::LoseRequest);
    }
    app.faults.on_settle(lost);
}
