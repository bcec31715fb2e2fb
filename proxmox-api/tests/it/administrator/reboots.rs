//! After a node's reboot, only the containers that ran before run again.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation};

use crate::support::{TestApp, until};

use super::{Customer, cluster, compare, later, node_of};

#[tokio::test]
async fn after_a_reboot_what_ran_runs_again_and_what_was_off_stays_off() {
    let app = TestApp::start().await;
    let runs = Customer::of(&app, 1, 600).await;
    let switched_off = Customer::of(&app, 2, 600).await;
    let off_inside = Customer::of(&app, 3, 600).await;
    let ended = Customer::of(&app, 4, 5).await;
    let stopped = switched_off.switch(&app, "stop").await;
    assert_eq!(stopped.status, 200, "{:?}", stopped.body);
    compare(&app).await;
    app.sim.kill_container(off_inside.ctid);
    compare(&app).await;
    later(&app, 6 * 60);
    until("the short lease to be stopped", async || {
        (ended.state(&app).await == "stopped").then_some(())
    })
    .await;
    app.sim.reboot_node("pve");
    assert!(!runs.runs(&app));

    let found = compare(&app).await;
    assert_eq!(found.started, [runs.lease_id.as_str()]);
    assert!(runs.runs(&app));
    for off in [&switched_off, &off_inside, &ended] {
        assert!(!off.runs(&app), "{} was off", off.ctid);
    }
    assert_eq!(runs.events(&app, "started_after_boot").await, 1);
    runs.is_served(&app).await;
    // Its owner powers it off from inside later, which is not a reboot.
    compare(&app).await;
    app.sim.kill_container(runs.ctid);
    later(&app, 3700);
    assert_eq!(compare(&app).await.started, [""; 0]);
    assert_eq!(compare(&app).await.started, [""; 0]);
    assert!(!runs.runs(&app));
}

#[tokio::test]
async fn a_container_that_was_never_checked_is_started_after_a_reboot() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 600).await;
    later(&app, 10);
    app.sim.reboot_node("pve");
    assert_eq!(compare(&app).await.started, [customer.lease_id.as_str()]);
    assert!(customer.runs(&app));
    // Its owner stopped it, and a renewal started it.
    let stopped = customer.switch(&app, "stop").await;
    assert_eq!(stopped.status, 200, "{:?}", stopped.body);
    compare(&app).await;
    let renewed = customer.renew(&app).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    later(&app, 10);
    app.sim.reboot_node("pve");
    assert_eq!(compare(&app).await.started, [customer.lease_id.as_str()]);
    assert!(customer.runs(&app));
}

/// A node that crashes several times, once just after it has started the container.
#[tokio::test]
async fn a_container_whose_start_was_not_confirmed_is_started_after_a_reboot() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 600).await;
    later(&app, 10);
    app.sim.reboot_node("pve");
    let faults = app.sim.faults();
    let late = FaultKind::Late(Duration::from_millis(500));
    faults.inject(Fault::once(Operation::TaskStatus, late));
    let hits = faults.hits();
    let again = async {
        until("the answer to be late", async || {
            (faults.hits() > hits).then_some(())
        })
        .await;
        later(&app, 60);
        app.sim.reboot_node("pve");
    };
    tokio::join!(compare(&app), again);
    assert!(!customer.runs(&app));
    assert_eq!(compare(&app).await.started, [customer.lease_id.as_str()]);
    assert!(customer.runs(&app));
}

#[tokio::test]
async fn a_reboot_while_the_service_was_down_is_made_up_for() {
    let mut app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 600).await;
    compare(&app).await;
    later(&app, 120);
    app.sim.reboot_node("pve");
    app.restart().await;
    until("the container to run again", async || {
        customer.runs(&app).then_some(())
    })
    .await;
    customer.is_served(&app).await;
}

#[tokio::test]
async fn the_reboot_of_one_node_starts_nothing_on_another() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 600).await;
    compare(&app).await;
    let node = node_of(&app, customer.ctid);
    app.sim.kill_container(customer.ctid);
    later(&app, 120);
    app.sim.reboot_node(super::other(&node));
    assert_eq!(compare(&app).await.started, [""; 0]);
    assert!(!customer.runs(&app));
}
