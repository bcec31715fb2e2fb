//! Containers that are moved, and nodes that go offline.

use std::time::Duration;

use crate::support::{TestApp, until};

use super::{Customer, LATER, cluster, compare, node_of, other};

#[tokio::test]
async fn a_container_that_was_moved_stays_its_customers_and_ends_in_time() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 30).await;
    let to = other(&node_of(&app, customer.ctid));
    app.sim.migrate(customer.ctid, to);
    app.clock.advance(LATER);
    assert_eq!(
        customer.view(&app).await["node"],
        to,
        "the list follows at once"
    );
    customer.is_served(&app).await;
    assert_eq!(customer.events(&app, "container_moved").await, 1);
    let lease = app.app.store.lease(&customer.lease_id).await.unwrap();
    assert_eq!(lease.unwrap().node.as_str(), to);
    for action in ["stop", "start"] {
        let switched = customer.switch(&app, action).await;
        assert_eq!(switched.status, 200, "{action}: {:?}", switched.body);
        assert_eq!(customer.runs(&app), action == "start");
    }
    // It is moved again, and no request concerns it until its end.
    app.sim.migrate(customer.ctid, other(to));
    customer.ends(&app).await;
}

/// With one configured node, that node's list lacks containers that were moved away.
#[tokio::test]
async fn a_container_that_was_moved_off_the_only_node_of_the_configuration_is_found() {
    let app = cluster(&[("PVE_NODE", "pve")]).await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.migrate(customer.ctid, "pve2");
    app.clock.advance(LATER);
    let view = customer.view(&app).await;
    assert_eq!(
        (&view["node"], &view["liveStatus"]),
        (&"pve2".into(), &"running".into())
    );
    customer.is_served(&app).await;
    let destroyed = customer.destroy(&app).await;
    assert_eq!(destroyed.status, 200, "{:?}", destroyed.body);
    assert!(app.sim.container(customer.ctid).is_none());
}

#[tokio::test]
async fn a_reconciliation_finds_containers_that_moved_without_a_request() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 30).await;
    let to = other(&node_of(&app, customer.ctid));
    app.sim.migrate(customer.ctid, to);
    let found = compare(&app).await;
    assert_eq!((found.lost, found.removed), (vec![], vec![]));
    let lease = app.app.store.lease(&customer.lease_id).await.unwrap();
    assert_eq!(lease.unwrap().node.as_str(), to);
}

/// A node that was renamed or taken out of the cluster never answers again.
#[tokio::test]
async fn a_node_that_is_no_more_is_not_asked_for_ever() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 30).await;
    let store = &app.app.store;
    assert!(
        store
            .set_node(&customer.lease_id, &"old-name".parse().unwrap(), 1)
            .await
            .unwrap()
    );
    app.clock.advance(LATER);
    customer.is_served(&app).await;
    let lease = store.lease(&customer.lease_id).await.unwrap().unwrap();
    assert_eq!(lease.node.as_str(), node_of(&app, customer.ctid));
}

#[tokio::test]
async fn a_node_that_is_away_costs_nothing_and_loses_nothing() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 30).await;
    let node = node_of(&app, customer.ctid);
    // The node that answers for the cluster cannot be the one that is offline.
    if node == "pve" {
        app.sim.migrate(customer.ctid, "pve2");
        app.clock.advance(LATER);
        customer.is_served(&app).await;
    }
    app.sim.set_node_online("pve2", false);
    app.clock.advance(LATER);
    let refusal = customer
        .is_refused(&app, 503, "hypervisor_unavailable", true)
        .await;
    assert!(
        refusal["message"].as_str().unwrap().contains("node"),
        "{refusal}"
    );
    for _ in 0..5 {
        app.clock.advance(Duration::from_secs(700));
        let found = compare(&app).await;
        assert_eq!(found.lost, [""; 0]);
    }
    assert!(
        customer.view(&app).await["notice"]
            .as_str()
            .unwrap()
            .contains("node")
    );
    // The lease ends while the node is offline, and the container is stopped when the node is back.
    until("the end to be begun", async || {
        app.clock.advance(Duration::from_secs(10));
        (customer.state(&app).await == "expiring").then_some(())
    })
    .await;
    app.sim.set_node_online("pve2", true);
    customer.ends(&app).await;
}

#[tokio::test]
async fn a_node_that_comes_and_goes_every_moment_loses_nothing() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 600).await;
    let node = node_of(&app, customer.ctid);
    for round in 0..40 {
        app.sim.set_node_online(&node, round % 2 == 1);
        app.clock.advance(Duration::from_secs(61));
        // The node that answers may be the one that goes offline; then there is no list to compare
        // with.
        if let Ok(found) = proxmox_api::lease::comparing::reconcile::compare(&app.app).await {
            assert_eq!(
                (found.lost, found.removed),
                (vec![], vec![]),
                "round {round}"
            );
        }
    }
    app.sim.set_node_online(&node, true);
    app.clock.advance(LATER);
    customer.is_served(&app).await;
}

/// Proxmox's list is some seconds old, and is sometimes wrong.
#[tokio::test]
async fn a_list_that_is_wrong_ends_nothing() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 600).await;
    let ctid = customer.ctid;
    let rounds: [&dyn Fn(&TestApp); 4] = [
        &|app| app.sim.hide_from_resources(ctid, true),
        &|app| {
            app.sim.hide_from_resources(ctid, false);
            app.sim.list_on_node(ctid, Some(""));
        },
        &|app| app.sim.list_on_node(ctid, Some("nowhere")),
        &|app| app.sim.list_on_node(ctid, Some(other(&node_of(app, ctid)))),
    ];
    for change in rounds {
        change(&app);
        for _ in 0..3 {
            app.clock.advance(Duration::from_secs(400));
            let found = compare(&app).await;
            assert_eq!(
                (found.lost, found.removed, found.orphans),
                (vec![], vec![], vec![])
            );
        }
        let ran = customer.exec(&app).await;
        assert_eq!(ran.status, 200, "{:?}", ran.body);
    }
    app.sim.list_on_node(ctid, None);
    customer.is_served(&app).await;
}
