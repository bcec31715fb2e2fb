//! Attempts to get money back that is not owed, and leases that end while they are renewed.

use std::time::Duration;

use proxmox_api::{
    lease::comparing::reconcile, memory::alarms::Trouble, operations::sweep::sweep,
    store::PaymentState,
};
use pve_sim::{Fault, FaultKind, Operation};
use serde_json::{Value, json};

use crate::{
    buyer::Answer,
    support::{TestApp, until},
};

use super::{Customer, LATER, compare, later};

const POOL: Option<&str> = Some("infra402");

async fn renew_for(app: &TestApp, customer: &Customer, minutes: u32) -> Answer {
    let path = format!("/lease/{}/renew", customer.ctid);
    let body: Value = json!({ "runtimeMinutes": minutes });
    customer.pay(app, &path, Some(body)).await
}

async fn expires_at(app: &TestApp, customer: &Customer) -> i64 {
    let lease = app.app.store.lease(&customer.lease_id).await.unwrap();
    lease.unwrap().expires_at.unwrap()
}

/// State and amount of each payment of a customer that moved money, oldest first.
async fn paid(app: &TestApp, customer: &Customer) -> Vec<(PaymentState, u64)> {
    let wallet = customer.buyer.wallet().into();
    let payments = app.app.store.payments_by_payer(&wallet, None, 50).await;
    let mut payments = payments.unwrap();
    payments.reverse();
    payments
        .into_iter()
        .map(|payment| (payment.state, payment.amount))
        .collect()
}

async fn debts(app: &TestApp) -> Vec<(u64, String)> {
    let due = app.app.store.debts_due().await.unwrap();
    due.into_iter()
        .map(|debt| (debt.amount, debt.reason))
        .collect()
}

/// Time that is owed back is not added to a lease, even if its container comes back.
#[tokio::test]
async fn a_renewal_whose_container_was_deleted_meanwhile_is_owed_and_adds_no_time() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let before = expires_at(&app, &customer).await;
    let backup = app.sim.backup(customer.ctid);
    let lock = app.app.leases_in_work.take(&customer.lease_id).await;
    let lock = lock.unwrap();
    let deleted = async {
        until("the renewal to be paid", async || {
            let paid = paid(&app, &customer).await;
            (paid.len() == 2 && paid[1].0 == PaymentState::Settled).then_some(())
        })
        .await;
        app.sim.kill_container(customer.ctid);
        app.sim.remove_container(customer.ctid);
        drop(lock);
    };
    let (renewed, ()) = tokio::join!(customer.renew(&app), deleted);
    assert_eq!(renewed.code(), "payment_owed", "{:?}", renewed.body);
    app.sim.restore(&backup, customer.ctid, POOL);
    app.clock.advance(LATER);
    compare(&app).await;
    let due = debts(&app).await;
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(expires_at(&app, &customer).await, before);
}

/// Root in a container can prevent its start for as long as a paid call is retried.
#[tokio::test]
async fn time_that_was_added_is_not_owed_because_the_container_does_not_start() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let stopped = customer.switch(&app, "stop").await;
    assert_eq!(stopped.status, 200, "{:?}", stopped.body);
    let no = FaultKind::TaskFailure("startup failed".into());
    app.sim.faults().inject(Fault::always(Operation::Start, no));
    let renewed = renew_for(&app, &customer, 10_000).await;
    assert!(renewed.status.is_server_error(), "{:?}", renewed.body);
    for _ in 0..26 {
        app.clock.advance(Duration::from_secs(3600));
        sweep(&app.app).await.unwrap();
    }
    until("the renewal to be over", async || {
        let paid = paid(&app, &customer).await;
        (paid[1].0 == PaymentState::Answered).then_some(())
    })
    .await;
    assert_eq!(debts(&app).await, []);
    assert_eq!(customer.state(&app).await, "active");
}

/// The renewal was added and could not start its container; then the container is deleted.
#[tokio::test]
async fn what_is_owed_for_a_lost_container_is_no_more_than_its_time() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    customer.switch(&app, "stop").await;
    let no = FaultKind::TaskFailure("startup failed".into());
    app.sim.faults().inject(Fault::always(Operation::Start, no));
    let renewed = renew_for(&app, &customer, 600).await;
    assert!(renewed.status.is_server_error(), "{:?}", renewed.body);
    app.sim.remove_container(customer.ctid);
    later(&app, 120);
    compare(&app).await;
    sweep(&app.app).await.unwrap();
    assert_eq!(debts(&app).await, [], "it may come back");
    later(&app, 601);
    assert_eq!(compare(&app).await.lost, [customer.lease_id.as_str()]);
    until("the renewal to be over", async || {
        app.clock.advance(Duration::from_secs(30));
        let paid = paid(&app, &customer).await;
        (paid[1].0 == PaymentState::Answered).then_some(())
    })
    .await;
    let (due, paid) = (debts(&app).await, paid(&app, &customer).await);
    assert_eq!(due.len(), 2, "{due:?}");
    assert!(
        due.iter().all(|(_, why)| why == "container_lost"),
        "{due:?}"
    );
    let (owed, moved): (u64, u64) = (
        due.iter().map(|(amount, _)| amount).sum(),
        paid.iter().map(|(_, amount)| amount).sum(),
    );
    assert!(owed < moved, "{due:?} of {paid:?}");
}

/// The end of a lease waits for the lease's lock; until then its container may come back.
#[tokio::test]
async fn a_container_that_comes_back_before_its_lease_ends_is_not_lost() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let backup = app.sim.backup(customer.ctid);
    app.sim.remove_container(customer.ctid);
    compare(&app).await;
    app.clock.advance(Duration::from_secs(601));
    let lock = app.app.leases_in_work.take(&customer.lease_id).await;
    let lock = lock.unwrap();
    app.sim.clear_requests();
    let back = async {
        until("the comparison to wait for the lease", async || {
            let locks = &app.app.leases_in_work;
            locks.is_waited_for(&customer.lease_id).then_some(())
        })
        .await;
        assert!(
            app.sim.request_count("GET", "/cluster/nextid") > 0,
            "it has looked"
        );
        app.sim.restore(&backup, customer.ctid, POOL);
        drop(lock);
    };
    let (found, ()) = tokio::join!(compare(&app), back);
    assert_eq!(found.lost, [""; 0]);
    assert_eq!(customer.state(&app).await, "active");
    assert_eq!(debts(&app).await, []);
}

/// Failed attempts to end a lease before its renewal do not count for the next end.
#[tokio::test]
async fn a_renewal_resets_the_failed_attempts_to_end_a_lease() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.set_lock(customer.ctid, Some("backup"));
    app.clock.advance(Duration::from_secs(31 * 60));
    until("the operator to be told", async || {
        (app.app.alarms.of(&customer.lease_id) == Some(Trouble::Locked)).then_some(())
    })
    .await;
    app.sim.set_lock(customer.ctid, None);
    let renewed = renew_for(&app, &customer, 600).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    assert_eq!(app.app.retries.since(&customer.lease_id), None);
    assert_eq!(app.app.alarms.of(&customer.lease_id), None);
}

/// Two replicas compare and the customer ends the lease at the same time: one end, and one debt.
#[tokio::test]
async fn a_lost_container_is_owed_once_even_if_two_replicas_find_it() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.remove_container(customer.ctid);
    compare(&app).await;
    app.clock.advance(Duration::from_secs(601));
    let (first, second, third) = tokio::join!(
        reconcile::compare(&app.app),
        reconcile::compare(&app.app),
        reconcile::compare(&app.app),
    );
    let lost: usize = [first, second, third]
        .map(|found| found.unwrap().lost.len())
        .iter()
        .sum();
    assert_eq!(lost, 1);
    assert_eq!(debts(&app).await.len(), 1);
    let again = customer.destroy(&app).await;
    assert!(
        again.status.is_success() || again.status == 410,
        "{:?}",
        again.body
    );
    assert_eq!(debts(&app).await.len(), 1);
}

/// An owner who ends a lease before its container counts as lost is not owed a refund.
#[tokio::test]
async fn ending_a_lease_oneself_makes_no_debt() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.remove_container(customer.ctid);
    compare(&app).await;
    for _ in 0..2 {
        let ended = customer.destroy(&app).await;
        assert!(ended.status.is_success(), "{:?}", ended.body);
    }
    app.clock.advance(Duration::from_secs(601));
    compare(&app).await;
    assert_eq!(customer.state(&app).await, "destroyed");
    assert_eq!(debts(&app).await, []);
}
