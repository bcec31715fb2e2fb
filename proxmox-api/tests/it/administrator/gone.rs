//! Containers that an administrator deletes, hides, protects or makes templates of.

use std::{sync::Arc, time::Duration};

use proxmox_api::{
    commands::leases::{LeasesCommand, perform},
    memory::alarms::Trouble,
    store::PaymentState,
};
use service::clock::SystemClock;

use crate::support::{TestApp, until};

use super::{Customer, LATER, compare, fails_to_end};

#[tokio::test]
async fn a_deleted_container_is_sold_no_more_and_its_unused_part_is_owed() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let renewed = customer.renew(&app).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    app.sim.kill_container(customer.ctid);
    app.sim.remove_container(customer.ctid);
    app.clock.advance(LATER);
    customer.is_refused(&app, 410, "lease_ended", false).await;
    assert_eq!(compare(&app).await.lost, [""; 0], "it may come back");
    let notice = customer.view(&app).await["notice"].clone();
    assert!(notice.as_str().unwrap().contains("owed to you"), "{notice}");

    app.clock.advance(Duration::from_secs(601));
    assert_eq!(compare(&app).await.lost, [customer.lease_id.as_str()]);
    assert_eq!(compare(&app).await.lost, [""; 0], "once");
    assert_eq!(customer.view(&app).await["status"], "destroyed");
    assert_eq!(customer.events(&app, "container_lost").await, 1);
    // The whole renewal is owed, and of the lease all but the time until the container was missed.
    let debts = app.app.store.debts_due().await.unwrap();
    let mut owed: Vec<_> = debts
        .iter()
        .map(|debt| (debt.amount, debt.reason.as_str()))
        .collect();
    owed.sort_unstable();
    let wallet = customer.buyer.wallet().into();
    let payments = app
        .app
        .store
        .payments_by_payer(&wallet, None, 9)
        .await
        .unwrap();
    let moved = payments
        .iter()
        .filter(|payment| payment.state == PaymentState::Answered);
    let mut paid: Vec<u64> = moved.map(|payment| payment.amount).collect();
    paid.sort_unstable();
    assert_eq!(owed.len(), 2, "{owed:?}");
    assert_eq!(owed[0], (paid[0], "container_lost"));
    let (most, least) = (paid[1], paid[1] * 59 / 60);
    assert!((least..=most).contains(&owed[1].0), "{owed:?} of {paid:?}");
    assert_eq!(owed[1].1, "container_lost");
}

#[tokio::test]
async fn a_container_that_comes_back_within_ten_minutes_was_never_lost() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let backup = app.sim.backup(customer.ctid);
    app.sim.remove_container(customer.ctid);
    compare(&app).await;
    app.clock.advance(Duration::from_secs(500));
    compare(&app).await;
    app.sim.restore(&backup, customer.ctid, Some("infra402"));
    app.clock.advance(Duration::from_secs(500));
    assert_eq!(compare(&app).await.lost, [""; 0]);
    assert_eq!(app.app.alarms.of(&customer.lease_id), None);
    let started = customer.switch(&app, "start").await;
    assert_eq!(started.status, 200, "{:?}", started.body);
    customer.is_served(&app).await;
    // The ten minutes start again.
    app.sim.remove_container(customer.ctid);
    app.clock.advance(LATER);
    assert_eq!(compare(&app).await.lost, [""; 0]);
}

#[tokio::test]
async fn a_restart_does_not_begin_the_ten_minutes_of_a_lost_container_anew() {
    let mut app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.remove_container(customer.ctid);
    compare(&app).await;
    for _ in 0..2 {
        app.clock.advance(Duration::from_secs(301));
        app.restart().await;
    }
    compare(&app).await;
    until("the lease to be over", async || {
        (customer.state(&app).await == "destroyed").then_some(())
    })
    .await;
    assert_eq!(customer.events(&app, "container_lost").await, 1);
    let debts = app.app.store.debts_due().await.unwrap();
    let wallet = customer.buyer.wallet().into();
    let paid = app.app.store.payments_by_payer(&wallet, None, 9);
    let paid = paid.await.unwrap()[0].amount;
    // They count from the time at which it was missed, not from the last restart.
    assert!(debts[0].amount >= paid * 59 / 60, "{debts:?} of {paid}");
}

#[tokio::test]
async fn a_container_that_is_lost_shortly_before_the_end_is_owed_when_the_grace_is_over() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 5).await;
    app.sim.remove_container(customer.ctid);
    compare(&app).await;
    // It is stopped after five minutes and destroyed after five more, so the ten minutes are not
    // over.
    for _ in 0..2 {
        app.clock.advance(Duration::from_secs(295));
        compare(&app).await;
        assert_eq!(app.app.store.debts_due().await.unwrap(), []);
        app.clock.advance(Duration::from_secs(2));
    }
    until("the lease to be over", async || {
        app.clock.advance(Duration::from_secs(1));
        (customer.state(&app).await == "destroyed").then_some(())
    })
    .await;
    let debts = app.app.store.debts_due().await.unwrap();
    let reasons: Vec<_> = debts.iter().map(|debt| debt.reason.as_str()).collect();
    assert_eq!(reasons, ["container_lost"]);
}

#[tokio::test]
async fn what_was_taken_out_of_the_pool_is_never_booked_as_gone() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.set_pool(customer.ctid, None);
    app.clock.advance(LATER);
    customer
        .is_refused(&app, 503, "hypervisor_unavailable", true)
        .await;
    for _ in 0..4 {
        app.clock.advance(Duration::from_secs(900));
        let found = compare(&app).await;
        assert_eq!((found.lost, found.removed), (vec![], vec![]));
    }
    assert_eq!(app.app.alarms.of(&customer.lease_id), Some(Trouble::Hidden));
    until("the end to be begun", async || {
        (customer.state(&app).await == "expiring").then_some(())
    })
    .await;
    let ended = customer.destroy(&app).await;
    assert_eq!(ended.status, 202, "{:?}", ended.body);
    assert!(customer.runs(&app));
    assert_eq!(customer.state(&app).await, "destroying");
    app.sim.set_pool(customer.ctid, Some("infra402"));
    until("the container to be removed", async || {
        app.clock.advance(Duration::from_secs(60));
        app.sim.container(customer.ctid).is_none().then_some(())
    })
    .await;
}

/// The number belongs to a container that the service may not see, so only the operator can decide.
#[tokio::test]
async fn an_operator_ends_a_lease_that_nothing_else_can_end() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let other = Customer::of(&app, 2, 60).await;
    let database = app.app.config.database.clone();
    let command = async |command| perform(&database, Arc::new(SystemClock), command).await;
    let end = |id: &str| LeasesCommand::End {
        id: id.to_owned(),
        reason: "its disk has burnt".into(),
    };
    app.sim.set_pool(customer.ctid, None);
    let listed = command(LeasesCommand::List).await.unwrap();
    assert!(
        listed.contains(customer.lease_id.as_str()) && listed.contains(other.lease_id.as_str()),
        "{listed}"
    );
    let said = command(end(&customer.lease_id)).await.unwrap();
    assert!(said.contains("was not touched"), "{said}");
    let again = command(end(&customer.lease_id)).await.unwrap_err();
    assert!(again.contains("nothing was changed"), "{again}");
    assert!(
        command(end("lease-0"))
            .await
            .unwrap_err()
            .contains("no lease")
    );
    let debts = app.app.store.debts_due().await.unwrap();
    let reasons: Vec<_> = debts.iter().map(|debt| debt.reason.as_str()).collect();
    assert_eq!(reasons, ["container_lost"]);
    let shown = LeasesCommand::Show {
        id: customer.lease_id.to_string(),
    };
    let shown = command(shown).await.unwrap();
    assert!(shown.contains("its disk has burnt"), "{shown}");
    // An owner who ended the lease is not owed its unused part.
    app.sim.set_pool(other.ctid, None);
    app.clock.advance(LATER);
    assert_eq!(other.destroy(&app).await.status, 202);
    command(end(&other.lease_id)).await.unwrap();
    assert_eq!(app.app.store.debts_due().await.unwrap().len(), 1);
    compare(&app).await;
    assert!(customer.runs(&app) && other.runs(&app));
    assert_eq!(app.app.store.live_leases().await.unwrap(), []);
    // The container is back in the pool and has no lease, as the command's output says.
    app.sim.set_pool(customer.ctid, Some("infra402"));
    let found = compare(&app).await;
    assert_eq!(
        (found.orphans, found.removed),
        (vec![customer.ctid], vec![])
    );
    assert!(!customer.runs(&app));
}

#[tokio::test]
async fn rights_that_were_lost_end_no_lease() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.revoke("/pool/infra402", "infra402@pve");
    app.clock.advance(Duration::from_secs(31 * 60));
    until("the end to be begun", async || {
        app.clock.advance(Duration::from_secs(10));
        (customer.state(&app).await == "expiring").then_some(())
    })
    .await;
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(26 * 3600));
        assert_eq!(compare(&app).await.lost, [""; 0]);
    }
    assert!(customer.runs(&app));
    app.sim
        .grant("/pool/infra402", "infra402@pve", "Infra402Guest");
    customer.ends(&app).await;
}

#[tokio::test]
async fn a_template_is_left_to_its_administrator_and_the_unused_part_is_owed() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.convert_to_template(customer.ctid);
    app.clock.advance(LATER);
    let refusal = customer.is_refused(&app, 410, "lease_ended", false).await;
    assert!(
        refusal["message"].as_str().unwrap().contains("template"),
        "{refusal}"
    );
    compare(&app).await;
    app.clock.advance(Duration::from_secs(601));
    assert_eq!(compare(&app).await.lost, [customer.lease_id.as_str()]);
    assert_eq!(app.app.store.debts_due().await.unwrap().len(), 1);
    app.clock.advance(Duration::from_secs(100 * 3600));
    let found = compare(&app).await;
    assert_eq!(
        (found.removed, found.foreign),
        (vec![], vec![customer.ctid])
    );
    assert!(app.sim.container(customer.ctid).is_some());
}

#[tokio::test]
async fn a_template_is_left_alone_whoever_ends_the_lease() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.convert_to_template(customer.ctid);
    app.clock.advance(LATER);
    let ended = customer.destroy(&app).await;
    assert_eq!(ended.status, 200, "{:?}", ended.body);
    assert_eq!(customer.state(&app).await, "destroyed");
    assert!(
        app.sim.container(customer.ctid).is_some(),
        "it is the administrator's"
    );
    assert_eq!(app.sim.request_count("DELETE", "/lxc/"), 0);
}

#[tokio::test]
async fn protection_is_told_once_and_the_removal_waits_for_its_end() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.set_protection(customer.ctid, true);
    let ended = customer.destroy(&app).await;
    assert_eq!(ended.status, 202, "{:?}", ended.body);
    until("the operator to be told", async || {
        (app.app.alarms.of(&customer.lease_id) == Some(Trouble::Protected)).then_some(())
    })
    .await;
    // Six hours pass.
    fails_to_end(&app, &customer.lease_id, 360, Duration::from_secs(60)).await;
    let asked = app.sim.request_count("DELETE", "/lxc/");
    assert!(
        (10..=50).contains(&asked),
        "asked {asked} times in six hours"
    );
    app.sim.set_protection(customer.ctid, false);
    until("the container to be removed", async || {
        app.clock.advance(Duration::from_secs(60));
        app.sim.container(customer.ctid).is_none().then_some(())
    })
    .await;
    until("the alarm to be over", async || {
        app.app
            .alarms
            .of(&customer.lease_id)
            .is_none()
            .then_some(())
    })
    .await;
}
