//! The database server crashes and comes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proxmox_api::store::LeaseState;
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use super::{a_lease, blocking, next_look, nothing_unfinished, number};
use crate::guest::plain_shell;
use crate::{buyer::Buyer, guest, postgres::Postgres, support::until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_server_that_is_away_is_a_503_and_work_goes_on_when_it_is_back() {
    let postgres = blocking(Postgres::start).await;
    let postgres = Arc::new(postgres);
    let control = async |work: fn(&Postgres)| {
        let postgres = Arc::clone(&postgres);
        blocking(move || work(&postgres)).await;
    };
    let url = {
        let postgres = Arc::clone(&postgres);
        blocking(move || postgres.url("postgres", &postgres.empty(), "sslmode=disable")).await
    };
    let one = guest::app(plain_shell(), &[("DATABASE", &url)]).await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = one.balance(buyer.wallet()).await;
    // The server crashes in the middle of a lease.
    let slow = FaultKind::SlowTask(Duration::from_millis(1500));
    one.sim.faults().inject(Fault::once(Operation::Start, slow));
    let signed = a_lease(&one, &buyer)
        .await
        .with_key("cut-off-from-the-server");
    let (answer, ()) = tokio::join!(signed.send(&one), async {
        until("the container to be there", async || {
            let leases = one.app.store.unfinished_leases().await.unwrap();
            let created = |state| matches!(state, LeaseState::Created);
            leases
                .iter()
                .any(|lease| created(lease.state))
                .then_some(())
        })
        .await;
        control(Postgres::crash).await;
        let other = buyer
            .sign(
                &one,
                Method::POST,
                "/lease/container",
                Some(json!({"runtimeMinutes": 5})),
            )
            .await;
        let start = Instant::now();
        let refused = other.send(&one).await;
        assert_eq!(refused.status, 503, "{:?}", refused.body);
        assert_eq!(refused.code(), "unavailable");
        assert!(start.elapsed() < Duration::from_secs(15));
        control(Postgres::start_again).await;
    });
    assert!(
        matches!(answer.status.as_u16(), 200 | 503),
        "{:?}",
        answer.body
    );
    // The same service, without a restart.
    let mut signed = signed;
    let leased = until("the lease to be had", async || {
        let answer = signed.send(&one).await;
        match answer.status.as_u16() {
            200 => return Some(answer),
            // The payment was given back.
            402 => signed = a_lease(&one, &buyer).await,
            202 | 409 | 502 | 503 => next_look(&one).await,
            other => panic!("{other}: {:?}", answer.body),
        }
        None
    })
    .await;
    next_look(&one).await;
    nothing_unfinished(&one).await;
    let price = number(&leased.body["price"]["total"]);
    assert_eq!(one.balance(buyer.wallet()).await, before - price);
    assert_eq!(one.sim.containers().len(), 1);
}
