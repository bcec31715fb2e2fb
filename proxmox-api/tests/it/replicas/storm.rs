//! Many customers at two replicas, one of which dies several times.

use std::{sync::Mutex, time::Duration};

use futures_util::{StreamExt as _, stream};
use proxmox_api::{lease::comparing::reconcile, operations::sweep::sweep};
use pve_sim::{Sim, SimConfig};
use reqwest::Method;
use serde_json::json;

use super::{database, die, next_look, nothing_unfinished};
use crate::guest::plain_shell;
use crate::{
    buyer::Buyer,
    support::{TestApp, until},
};

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_storm_over_replicas_that_die_leaves_books_and_machines_equal() {
    const LEASES: u64 = 60;
    const WALLETS: u64 = 10;
    let url = database().await;
    let config = SimConfig {
        time_scale: 0.01,
        shell: plain_shell(),
        ..SimConfig::default()
    };
    let sim = Sim::start(config).await.unwrap();
    let more = [
        ("DATABASE", url.as_str()),
        ("LEASES_IN_FLIGHT_PER_WALLET", "4"),
        ("LEASES_IN_FLIGHT_PER_ADDRESS", "100"),
        ("MAX_UNPAID_LEASES", "200"),
    ];
    let one = TestApp::on(sim, &more).await;
    let mut buyers = Vec::new();
    for number in 0..WALLETS {
        buyers.push(Buyer::funded(&one, number).await);
    }
    let mut money = 0;
    for buyer in &buyers {
        money += one.balance(buyer.wallet()).await;
    }
    crate::storm::inject(&one);
    let body = json!({"runtimeMinutes": 60});
    let mut two = one.beside().await;
    let urls = Mutex::new([one.url.clone(), two.url.clone()]);
    let mut customers = std::pin::pin!(
        stream::iter(0..LEASES)
            .map(|number| {
                let (one, urls, body) = (&one, &urls, &body);
                let buyer = &buyers[usize::try_from(number % WALLETS).unwrap()];
                async move {
                    let signed = buyer
                        .sign(one, Method::POST, "/lease/container", Some(body.clone()))
                        .await;
                    for attempt in 0..40 {
                        let url = urls.lock().unwrap()[(number as usize + attempt) % 2].clone();
                        let (name, value) = signed.payment.to_header();
                        let request = one
                            .http
                            .post(format!("{url}/lease/container"))
                            .json(body)
                            .header(name, value)
                            .header("idempotency-key", format!("storm-customer-{number:04}"));
                        if let Ok(answer) = request.send().await {
                            match answer.status().as_u16() {
                                200 => return true,
                                402 => return false,
                                202 | 409 | 429 | 502..=504 => {}
                                // Unlike a process, a replica in this test takes a moment to die.
                                500 => {
                                    let body = answer.text().await.unwrap_or_default();
                                    assert!(
                                        body.is_empty() || body.contains("broke off"),
                                        "{body}"
                                    );
                                }
                                other => panic!("{other}"),
                            }
                        }
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    false
                }
            })
            .buffer_unordered(16)
    );
    let mut told = 0;
    let mut done = 0;
    while let Some(leased) = customers.next().await {
        told += u32::from(leased);
        done += 1;
        if done % 15 == 0 {
            // The sweep resumes the work of the replica before. It leaves this replica's work alone
            // while the last writes are in flight.
            next_look(&one).await;
            drop(two);
            two = one.beside().await;
            urls.lock().unwrap()[1] = two.url.clone();
        }
    }
    one.sim.faults().clear();
    assert!(told > 30, "{told} of {LEASES} leased");
    die(&one, two).await;
    // One sweep may find a payment that was touched less than a minute before.
    for _ in 0..2 {
        next_look(&one).await;
        sweep(&one.app).await.unwrap();
    }
    nothing_unfinished(&one).await;
    let counts = one.app.store.lease_counts().await.unwrap();
    let active = counts.get("active").copied().unwrap_or(0);
    until("machines to be equal to the books", async || {
        // A creation that ran when its replica died may have ended after its lease was undone: an
        // orphan.
        let found = reconcile::compare(&one.app).await.unwrap();
        assert_eq!(found.lost, [""; 0]);
        let containers = one.sim.containers();
        let running = containers.iter().filter(|found| found.status == "running");
        let all = u32::try_from(containers.len()).unwrap() == active;
        (all && u32::try_from(running.count()).unwrap() == active).then_some(())
    })
    .await;
    assert!(active >= told, "{active} active, {told} told");
    let mut left = 0;
    for buyer in &buyers {
        left += one.balance(buyer.wallet()).await;
    }
    let sample = buyers[0].sign(&one, Method::POST, "/lease/container", Some(body.clone()));
    let price = u64::try_from(sample.await.payment.authorization().value).unwrap();
    assert_eq!(money - left, price * u64::from(active));
}
