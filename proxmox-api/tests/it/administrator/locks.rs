//! Backups, snapshots and migrations lock a container for hours, and high availability acts on a
//! request some seconds later.

use std::time::Duration;

use crate::support::{TestApp, until};

use super::{Customer, LATER, cluster, fails_to_end};

#[tokio::test]
async fn a_locked_container_is_neither_sold_nor_switched_and_says_why() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    for (lock, words) in [
        ("backup", "a backup of it is being made"),
        ("snapshot", "a snapshot of it is being made"),
        ("migrate", "it is being moved to another node"),
        ("disk", "its disk is being copied or moved"),
        ("something-new", "an operation on the host holds it"),
    ] {
        app.sim.set_lock(customer.ctid, Some(lock));
        app.clock.advance(LATER);
        let refusal = customer.is_refused(&app, 409, "lease_conflict", true).await;
        assert!(
            refusal["message"].as_str().unwrap().contains(words),
            "{refusal}"
        );
        assert_eq!(refusal["details"]["lock"], lock, "{refusal}");
        let stopped = customer.switch(&app, "stop").await;
        assert_eq!(
            (stopped.status.as_u16(), stopped.code()),
            (409, "lease_conflict")
        );
        let notice = customer.view(&app).await["notice"].clone();
        assert!(notice.as_str().unwrap().contains(words), "{notice}");
    }
    app.sim.set_lock(customer.ctid, None);
    app.clock.advance(LATER);
    customer.is_served(&app).await;
    assert!(customer.view(&app).await.get("notice").is_none());
}

/// A status that was read is used for some seconds, for free and paid requests alike.
#[tokio::test]
async fn a_lock_that_its_owner_was_shown_is_known_to_the_next_sale() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.clock.advance(LATER);
    customer.is_served(&app).await;
    app.sim.set_lock(customer.ctid, Some("backup"));
    let notice = customer.view(&app).await["notice"].clone();
    assert!(notice.as_str().unwrap().contains("a backup"), "{notice}");
    customer.is_refused(&app, 409, "lease_conflict", true).await;
}

#[tokio::test]
async fn the_end_of_a_lease_waits_for_a_backup() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.set_lock(customer.ctid, Some("backup"));
    app.clock.advance(Duration::from_secs(31 * 60));
    until("the end to be begun", async || {
        app.clock.advance(Duration::from_secs(1));
        (customer.state(&app).await == "expiring").then_some(())
    })
    .await;
    fails_to_end(&app, &customer.lease_id, 20, Duration::from_secs(60)).await;
    assert!(
        customer.runs(&app),
        "nothing is done to it while it is locked"
    );
    app.sim.set_lock(customer.ctid, None);
    customer.ends(&app).await;
}

/// A lock that stays prevents a stop through Proxmox, but root in the container can still power it
/// off.
#[tokio::test]
async fn a_lock_that_stays_gives_no_free_time() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.set_lock(customer.ctid, Some("backup"));
    app.clock.advance(Duration::from_secs(31 * 60));
    until("the container to be powered off", async || {
        app.clock.advance(Duration::from_secs(120));
        (!customer.runs(&app)).then_some(())
    })
    .await;
    for kind in ["powered_off_inside", "stopped"] {
        until(kind, async || {
            (customer.events(&app, kind).await == 1).then_some(())
        })
        .await;
    }
    app.sim.set_lock(customer.ctid, None);
    customer.ends(&app).await;
}

#[tokio::test]
async fn high_availability_does_late_what_it_is_asked_for() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.set_ha(customer.ctid, true);
    // High availability takes some seconds, and the task that requests it ends at once.
    app.sim.set_time_scale(0.2);
    for (action, live) in [
        ("stop", "stopped"),
        ("start", "running"),
        ("stop", "stopped"),
    ] {
        let switched = customer.switch(&app, action).await;
        assert!(
            matches!(switched.status.as_u16(), 200 | 202),
            "{action}: {:?}",
            switched.body
        );
        until("high availability to have done it", async || {
            (app.sim.container(customer.ctid).unwrap().status == live).then_some(())
        })
        .await;
    }
    let renewed = customer.renew(&app).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    assert!(customer.runs(&app), "a renewal starts it");
    customer.ends(&app).await;
}
