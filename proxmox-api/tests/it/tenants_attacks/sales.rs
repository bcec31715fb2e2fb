//! Sales and addresses where the fence is open, incomplete or not in force.

use std::time::Duration;

use proxmox_api::lease::{comparing::reconcile, network::fence::PROVEN};
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Buyer, call},
    support::{TestApp, until},
    tenants::{NETWORK, ctid, fenced, lease, refused, unfenced},
};

/// Lets the service read the rest of the datacenter's firewall.
fn may_audit(app: &TestApp) {
    app.sim.set_role("Look", &["Sys.Audit"]);
    app.sim.grant("/", "infra402@pve", "Look");
}

#[tokio::test]
async fn an_option_that_silently_stops_the_filter_sells_nothing() {
    let app = fenced(&[("PVE_NODE", "pve")]).await;
    may_audit(&app);
    let rule = |action| {
        [
            ("type", "out"),
            ("action", action),
            ("dest", "10.0.0.0/8"),
            ("enable", "1"),
        ]
    };
    // A group that only accepts filters nothing.
    app.sim.add_security_group_rule("infra402", &rule("ACCEPT"));
    refused(&app, 1).await;
    app.sim.add_security_group_rule("infra402", &rule("DROP"));
    let switches: [fn(&pve_sim::Sim, bool); 4] = [
        |sim, on| sim.set_firewall_option("ebtables", on),
        |sim, on| sim.set_firewall(on),
        |sim, on| sim.set_node_firewall("pve", on),
        |sim, on| sim.set_firewall_running("pve", on),
    ];
    for (number, switch) in (2..).zip(switches) {
        switch(&app.sim, false);
        app.clock.advance(Duration::from_secs(11));
        refused(&app, number).await;
        switch(&app.sim, true);
    }
    app.clock.advance(Duration::from_secs(11));
    ctid(&lease(&app, 9).await);
}

/// The operator is told of the containers that run already.
#[tokio::test]
async fn a_fence_that_goes_away_under_running_containers_is_told_once() {
    let app = fenced(&[]).await;
    ctid(&lease(&app, 1).await);
    let told = async |kind: &str| {
        let mut events = 0;
        for node in ["pve", "pve2"] {
            let all = app.app.store.events(node, 0, 100).await.unwrap();
            events += all.iter().filter(|event| event.kind == kind).count();
        }
        events
    };
    reconcile::compare(&app.app).await.unwrap();
    assert_eq!(app.app.unfenced_nodes.count(), 0);
    app.sim.remove_security_group("infra402");
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(11));
        reconcile::compare(&app.app).await.unwrap();
        assert_eq!(app.app.unfenced_nodes.count(), 1);
    }
    assert_eq!(
        (told("fence_open").await, told("fence_closed").await),
        (1, 0)
    );
    app.sim.add_security_group("infra402");
    app.clock.advance(Duration::from_secs(11));
    reconcile::compare(&app.app).await.unwrap();
    assert_eq!(app.app.unfenced_nodes.count(), 0);
    assert_eq!(
        (told("fence_open").await, told("fence_closed").await),
        (1, 1)
    );
}

/// Root in the container controls the address that Proxmox reads there, and other customers connect
/// to the address that is shown.
#[tokio::test]
async fn a_tenant_cannot_claim_the_address_of_a_neighbour() {
    let app = fenced(&[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    let vmid = ctid(&leased);
    app.sim.set_address(vmid, "10.64.0.9");
    for action in ["stop", "start"] {
        let path = format!("/lease/{vmid}/{action}");
        let switched = session.call(&app, Method::POST, &path).await;
        assert_eq!(switched.status, 200, "{:?}", switched.body);
    }
    let view = session.get(&app, "/leases").await.body["leases"][0].clone();
    assert_eq!(view["ip"], "10.64.0.2");
    assert_eq!(leased.body["ip"], "10.64.0.2");
}

#[tokio::test]
async fn addresses_of_name_servers_and_of_the_service_are_nobody_elses() {
    let app = fenced(&[
        ("PVE_NAMESERVERS", "10.64.0.2,9.9.9.9"),
        ("GUEST_SSH_SOURCE", "10.64.0.3"),
    ])
    .await;
    let leased = lease(&app, 1).await;
    assert_eq!(leased.body["ip"], "10.64.0.4", "{:?}", leased.body);
}

#[tokio::test]
async fn a_container_without_a_network_has_no_address() {
    let app = unfenced(&[NETWORK, ("PVE_BRIDGE", "none")]).await;
    let leased = lease(&app, 1).await;
    ctid(&leased);
    assert!(leased.body["ip"].is_null(), "{:?}", leased.body);
}

#[tokio::test]
async fn rules_that_are_not_in_force_do_not_count() {
    let app = fenced(&[]).await;
    for node in ["pve", "pve2"] {
        app.sim.set_firewall_running(node, false);
    }
    refused(&app, 1).await;

    let app = fenced(&[]).await;
    may_audit(&app);
    refused(&app, 1).await;
    let rule = |enable| {
        [
            ("type", "out"),
            ("action", "DROP"),
            ("dest", "10.0.0.0/8"),
            ("enable", enable),
        ]
    };
    app.sim.add_security_group_rule("infra402", &rule("0"));
    app.clock.advance(Duration::from_secs(11));
    refused(&app, 2).await;
    app.sim.add_security_group_rule("infra402", &rule("1"));
    app.clock.advance(Duration::from_secs(11));
    ctid(&lease(&app, 3).await);
}

#[tokio::test]
async fn customers_are_told_of_every_node_that_is_open() {
    let app = fenced(&[("PVE_FENCE", "warn")]).await;
    app.sim.set_node_firewall("pve2", false);
    let catalog = call(&app, &Method::GET, "/catalog", None, &[]).await;
    let notice = catalog.body["isolationNotice"].as_str();
    assert!(notice.is_some(), "{:?}", catalog.body);
}

/// Each node has its own table for the bridge, and a VLAN is another network.
#[tokio::test]
async fn what_was_proven_on_one_node_holds_for_no_other() {
    let proof = r#"{"bridge": "vmbr0", "network": "10.64.0.0/28", "nodes": ["pve"], "at": 1}"#;
    for (node, vlan, sold) in [
        ("pve", None, true),
        ("pve2", None, false),
        ("pve", Some("7"), false),
    ] {
        let mut more = vec![NETWORK, ("PVE_NODE", node)];
        more.extend(vlan.map(|vlan| ("PVE_VLAN", vlan)));
        let app = unfenced(&more).await;
        app.app
            .store
            .set_installation_value(PROVEN, proof.into())
            .await
            .unwrap();
        if sold {
            ctid(&lease(&app, 1).await);
        } else {
            refused(&app, 1).await;
        }
    }
}

/// The service dies after a container was made and before its firewall is set: the container never
/// runs, and costs nothing.
#[tokio::test]
async fn a_crash_before_the_firewall_is_set_sells_no_open_container() {
    let mut app = fenced(&[]).await;
    let fault = Operation::Path("/firewall/rules".into());
    let hang = FaultKind::Late(Duration::from_secs(30));
    app.sim.faults().inject(Fault::always(fault, hang));
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    {
        let buying = buyer.lease(&app, json!({"runtimeMinutes": 30}));
        let made = until("the container to be made", async || {
            let made = app.sim.containers().pop()?;
            made.lock.is_none().then_some(())
        });
        tokio::select! {
            answer = buying => panic!("{:?}", answer.body),
            () = made => {}
        }
    }
    app.restart().await;
    app.clock.advance(Duration::from_secs(15 * 60));
    app.sim.faults().clear();
    until("nothing to be left", async || {
        app.sim.containers().is_empty().then_some(())
    })
    .await;
    assert_eq!(app.sim.request_count("POST", "/status/start"), 0);
    assert_eq!(app.balance(buyer.wallet()).await, before);
}
