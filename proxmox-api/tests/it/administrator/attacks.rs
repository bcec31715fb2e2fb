//! Attempts to keep a container without paying, and events at unfortunate times.

use std::time::Duration;

use proxmox_api::{
    lease::{
        comparing::reconcile,
        container::{
            halt,
            locate::{Located, locate},
        },
    },
    memory::{alarms::Trouble, locations::ContainerLocation},
};
use pve::WaitOptions;
use pve_sim::{Fault, FaultKind, Operation};
use serde_json::json;

use crate::support::{TestApp, until};

use super::{Customer, LATER, cluster, compare, fails_to_end, later, node_of, other};

const POOL: Option<&str> = Some("infra402");

async fn location_of(app: &TestApp, customer: &Customer) -> ContainerLocation {
    let lease = app.app.store.lease(&customer.lease_id).await.unwrap();
    match locate(&app.app, &lease.unwrap()).await.unwrap() {
        Located::Here(location) => location,
        elsewhere => panic!("{elsewhere:?}"),
    }
}

/// If ending a lease did not stop a container that cannot be removed, its owner could go on using
/// it for nothing.
#[tokio::test]
async fn a_container_whose_lease_was_ended_stops_even_if_it_cannot_be_removed() {
    let app = TestApp::start().await;
    let is_protected = Customer::of(&app, 1, 60).await;
    let is_locked = Customer::of(&app, 2, 60).await;
    app.sim.set_protection(is_protected.ctid, true);
    app.sim.set_lock(is_locked.ctid, Some("backup"));
    for customer in [&is_protected, &is_locked] {
        let ended = customer.destroy(&app).await;
        assert_eq!(ended.status, 202, "{:?}", ended.body);
        until("the container to be off", async || {
            app.clock.advance(Duration::from_secs(60));
            (!customer.runs(&app)).then_some(())
        })
        .await;
        assert_eq!(customer.state(&app).await, "destroying");
    }
    app.sim.set_protection(is_protected.ctid, false);
    app.sim.set_lock(is_locked.ctid, None);
    for customer in [&is_protected, &is_locked] {
        until("the container to be removed", async || {
            app.clock.advance(Duration::from_secs(60));
            app.sim.container(customer.ctid).is_none().then_some(())
        })
        .await;
    }
}

/// The token may have lost only the right to remove containers, and may still stop them.
#[tokio::test]
async fn what_may_not_be_removed_is_stopped() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let rights = [
        "VM.Audit",
        "VM.Console",
        "VM.PowerMgmt",
        "VM.Config.Options",
        "Pool.Audit",
    ];
    app.sim.set_role("Infra402Guest", &rights);
    let ended = customer.destroy(&app).await;
    assert_eq!(ended.status, 202, "{:?}", ended.body);
    until("the container to be off", async || {
        app.clock.advance(Duration::from_secs(10));
        (!customer.runs(&app)).then_some(())
    })
    .await;
    assert_eq!(customer.state(&app).await, "destroying");
}

/// Proxmox's high availability does not force a container down after a shutdown request.
#[tokio::test]
async fn a_guest_that_ignores_a_shutdown_is_stopped_by_high_availability_too() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.set_ha(customer.ctid, true);
    app.sim.ignore_shutdown(customer.ctid);
    let location = location_of(&app, &customer).await;
    let halted = halt::halt_within(&app.app, &location, Duration::from_secs(2)).await;
    assert!(halted.is_ok(), "{halted:?}");
    assert!(!customer.runs(&app));
}

/// A node stops its containers before it goes down, and answers requests meanwhile.
#[tokio::test]
async fn containers_that_a_node_stops_before_a_reboot_run_again() {
    let app = TestApp::start().await;
    let runs = Customer::of(&app, 1, 600).await;
    let off_for_long = Customer::of(&app, 2, 600).await;
    let off_by_owner = Customer::of(&app, 3, 600).await;
    compare(&app).await;
    app.sim.kill_container(off_for_long.ctid);
    compare(&app).await;
    later(&app, 3600);
    compare(&app).await;
    let stopped = off_by_owner.switch(&app, "stop").await;
    assert_eq!(stopped.status, 200, "{:?}", stopped.body);
    app.sim.kill_container(runs.ctid);
    for _ in 0..2 {
        later(&app, 60);
        compare(&app).await;
    }
    assert!(!runs.runs(&app), "its owner may have switched it off");
    app.sim.reboot_node("pve");
    later(&app, 60);
    compare(&app).await;
    assert!(runs.runs(&app));
    assert!(!off_for_long.runs(&app));
    assert!(!off_by_owner.runs(&app));
}

/// A container is off for a while when it is moved or backed up in mode `stop`, and is then started
/// again.
#[tokio::test]
async fn a_container_that_is_off_for_a_while_does_not_count_as_stopped() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.kill_container(customer.ctid);
    app.sim.set_lock(customer.ctid, Some("migrate"));
    app.clock.advance(LATER);
    let refused = customer.switch(&app, "stop").await;
    let seen = (refused.status.as_u16(), refused.code());
    assert_eq!(seen, (409, "lease_conflict"), "{:?}", refused.body);
    app.clock.advance(Duration::from_secs(31 * 60));
    // Longer than the service asks Proxmox before it counts a container as powered off from inside.
    fails_to_end(&app, &customer.lease_id, 20, Duration::from_secs(300)).await;
    until("the lease to be at its end", async || {
        (customer.state(&app).await == "expiring").then_some(())
    })
    .await;
    // The move ends.
    app.sim.set_lock(customer.ctid, None);
    let location = location_of(&app, &customer).await;
    let client = &app.app.proxmox.client;
    let started = client.start(&location.node, location.vmid).await.unwrap();
    client
        .wait(&started, WaitOptions::within(LATER))
        .await
        .unwrap();
    assert!(customer.runs(&app));
    customer.ends(&app).await;
}

/// If containers were checked one after the other, a slow node would delay all of them.
#[tokio::test]
async fn slow_looks_at_many_containers_are_taken_side_by_side() {
    let app = TestApp::start().await;
    let mut customers = Vec::new();
    for number in 1..=8 {
        customers.push(Customer::of(&app, number, 60).await);
    }
    for customer in &customers {
        app.sim
            .set_config(customer.ctid, "hostname", json!("renamed"));
    }
    app.clock.advance(LATER);
    let late = FaultKind::Late(Duration::from_millis(500));
    app.sim
        .faults()
        .inject(Fault::always(Operation::Config, late));
    let begin = std::time::Instant::now();
    compare(&app).await;
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
}

/// The service knows that the node is offline, so it sends no request to it.
#[tokio::test]
async fn containers_on_a_node_that_is_away_cost_no_request_each() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 600).await;
    if node_of(&app, customer.ctid) == "pve" {
        app.sim.migrate(customer.ctid, "pve2");
        compare(&app).await;
    }
    app.sim.set_node_online("pve2", false);
    app.sim.clear_requests();
    compare(&app).await;
    assert_eq!(app.sim.request_count("GET", "/nodes/pve2/lxc"), 0);
    let trouble = app.app.alarms.of(&customer.lease_id);
    assert_eq!(trouble, Some(Trouble::NodeAway));
}

/// The container is moved after the service has found it and before its removal.
#[tokio::test]
async fn a_container_that_moves_during_its_removal_is_removed_on_its_new_node() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 60).await;
    let to = other(&node_of(&app, customer.ctid));
    let late = FaultKind::Late(Duration::from_millis(400));
    app.sim
        .faults()
        .inject(Fault::once(Operation::Config, late));
    let moved = async {
        until("the look", async || {
            (app.sim.faults().hits() > 0).then_some(())
        })
        .await;
        // The look has read the container once a later request was answered; its own answer is
        // still on its way.
        app.app.proxmox.client.version().await.unwrap();
        app.sim.migrate(customer.ctid, to);
    };
    let (ended, ()) = tokio::join!(customer.destroy(&app), moved);
    assert!(ended.status.is_success(), "{:?}", ended.body);
    until("the lease to be over", async || {
        app.clock.advance(Duration::from_secs(10));
        (customer.state(&app).await == "destroyed").then_some(())
    })
    .await;
    assert!(app.sim.container(customer.ctid).is_none());
}

/// The administrator gives the container a new network interface, and overwrites its description
/// some days later.
#[tokio::test]
async fn a_new_interface_is_known_by_the_time_the_notes_are_overwritten() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let config = app.sim.container(customer.ctid).unwrap().config;
    let old = config["net0"].as_str().unwrap().to_owned();
    let (before, rest) = old.split_once("hwaddr=").unwrap();
    let new = format!("{before}hwaddr=BC:24:11:00:00:01{}", &rest[17..]);
    app.sim.set_config(customer.ctid, "net0", json!(new));
    app.clock.advance(LATER);
    customer.is_served(&app).await;
    app.sim.set_description(customer.ctid, "cleaned up");
    app.clock.advance(LATER);
    customer.is_served(&app).await;
}

/// A customer must not see the figures of another container.
#[tokio::test]
async fn figures_of_a_container_in_the_place_of_a_leased_one_are_not_shown() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    app.sim.remove_container(customer.ctid);
    app.sim.put_foreign_container(customer.ctid, "accounting");
    app.sim.set_pool(customer.ctid, POOL);
    app.clock.advance(LATER);
    compare(&app).await;
    let stats = customer.session.get(&app, "/stats/lxc").await;
    assert_eq!(stats.body["containers"], json!([]), "{:?}", stats.body);
    assert_eq!(stats.body["running"], 0, "{:?}", stats.body);
}

/// A virtual machine or a container of another installation may have a leased number.
#[tokio::test]
async fn a_container_restored_under_the_wrong_number_is_given_to_no_customer() {
    let app = TestApp::start().await;
    let first = Customer::of(&app, 1, 60).await;
    let second = Customer::of(&app, 2, 60).await;
    let backup = app.sim.backup(first.ctid);
    // An administrator picks the wrong number.
    app.sim.kill_container(second.ctid);
    app.sim.restore(&backup, second.ctid, POOL);
    app.clock.advance(LATER);
    second.is_refused(&app, 410, "lease_ended", false).await;
    let started = second.switch(&app, "start").await;
    assert_eq!(started.status, 410, "{:?}", started.body);
    first.is_served(&app).await;
    later(&app, 0);
    compare(&app).await;
    app.clock.advance(Duration::from_secs(601));
    let found = compare(&app).await;
    assert_eq!(found.lost, [second.lease_id.as_str()]);
    assert_eq!(found.removed, Vec::<u32>::new());
    first.is_served(&app).await;
    assert!(app.sim.container(second.ctid).is_some(), "it is a copy");
}

/// A container that exists is not recorded as gone, whatever Proxmox answers during a check.
#[tokio::test]
async fn bad_answers_during_a_check_end_no_lease() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 43_000).await;
    let kinds = [
        FaultKind::EmptyBody,
        FaultKind::TruncatedBody,
        FaultKind::Html502,
        FaultKind::ExpiredToken,
        FaultKind::DropBefore,
        FaultKind::Handshake596Before,
        FaultKind::Unreachable595,
    ];
    let calls = [Operation::Config, Operation::Resources, Operation::NextId];
    for hidden in [false, true] {
        for (on, kind) in calls
            .iter()
            .flat_map(|on| kinds.iter().map(move |kind| (on, kind)))
        {
            // The check takes every step: the container is on another node, or is not listed.
            app.sim
                .migrate(customer.ctid, other(&node_of(&app, customer.ctid)));
            app.sim.hide_from_resources(customer.ctid, hidden);
            // The reconciliation's own list is answered.
            let skip = u32::from(*on == Operation::Resources);
            let fault = Fault::always(on.clone(), kind.clone()).after(skip);
            app.sim.faults().inject(fault);
            for _ in 0..2 {
                app.clock.advance(Duration::from_secs(700));
                if let Ok(found) = reconcile::compare(&app.app).await {
                    assert_eq!(found.lost, [""; 0], "{on:?} {kind:?}");
                }
            }
            app.sim.faults().clear();
        }
    }
    app.sim.hide_from_resources(customer.ctid, false);
    app.clock.advance(LATER);
    customer.is_served(&app).await;
}
