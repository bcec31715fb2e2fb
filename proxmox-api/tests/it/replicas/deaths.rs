//! The other replica finishes or undoes the work that a dead replica left unfinished.

use std::time::Duration;

use proxmox_api::operations::sweep::sweep;
use proxmox_api::store::{LeaseState, PaymentState};
use pve_sim::{Fault, FaultKind, Operation};
use x402::facilitator::faults::SettleFault;

use super::{a_lease, die, next_look, nothing_unfinished, number, service};
use crate::guest::plain_shell;
use crate::{buyer::Buyer, support::until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn what_a_dead_replica_was_making_is_taken_back_and_the_payment_given_back() {
    let one = service(plain_shell(), &[]).await;
    let two = one.beside().await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = one.balance(buyer.wallet()).await;
    let signed = a_lease(&one, &buyer).await;
    let slow = FaultKind::SlowTask(Duration::from_secs(3));
    one.sim.faults().inject(Fault::once(Operation::Start, slow));
    let (copy, url) = (signed.clone(), two.url.clone());
    let (name, value) = copy.payment.to_header();
    let request = one
        .http
        .post(format!("{url}{}", copy.path))
        .header(name, value);
    let asked = tokio::spawn(request.json(&copy.body).send());
    until("the container to be there", async || {
        let leases = one.app.store.unfinished_leases().await.unwrap();
        let created = |state| matches!(state, LeaseState::Created);
        leases
            .iter()
            .any(|lease| created(lease.state))
            .then_some(())
    })
    .await;
    // As long as that replica lives, a sweep leaves its work alone.
    next_look(&one).await;
    sweep(&one.app).await.unwrap();
    let payments = one.app.store.unfinished_payments().await.unwrap();
    assert_eq!(payments[0].state, PaymentState::Verified);
    die(&one, two).await;
    assert!(asked.await.unwrap().is_err());
    next_look(&one).await;
    nothing_unfinished(&one).await;
    assert!(one.sim.containers().is_empty());
    assert_eq!(one.balance(buyer.wallet()).await, before);
    // The signature was given back and can be used again.
    let leased = signed.send(&one).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn what_a_dead_replica_had_paid_for_is_delivered_by_the_other() {
    let one = service(plain_shell(), &[]).await;
    let two = one.beside().await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = one.balance(buyer.wallet()).await;
    let signed = a_lease(&one, &buyer).await.with_key("paid-before-the-end");
    one.faults.on_settle([SettleFault::LoseAnswer]);
    assert_eq!(signed.send(&two).await.status, 202);
    die(&one, two).await;
    next_look(&one).await;
    nothing_unfinished(&one).await;
    let leased = signed.send(&one).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    let price = number(&leased.body["price"]["total"]);
    assert_eq!(one.balance(buyer.wallet()).await, before - price);
    assert_eq!(one.sim.containers().len(), 1);
}
