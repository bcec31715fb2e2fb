//! Attacks on the fence around tenants: by a tenant, by an operator who takes it away too early, and by what fails meanwhile.

use std::time::Duration;

use proxmox_api::{
    lease::{comparing::reconcile, network::fence::PROVEN},
    memory::alarms::Trouble,
};
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Buyer, call},
    support::{TestApp, until},
    tenants::{NETWORK, ctid, fenced, lease, net0, refused, seconds, unfenced},
};

fn is_down(app: &TestApp, vmid: u32) -> bool {
    net0(app, vmid).contains("link_down")
}

async fn link_goes_up(app: &TestApp, vmid: u32) {
    until("the link to be up", async || {
        (!is_down(app, vmid)).then_some(())
    })
    .await;
}

/// Shows the rest of the datacenter's firewall to the service.
fn may_audit(app: &TestApp) {
    app.sim.set_role("Look", &["Sys.Audit"]);
    app.sim.grant("/", "infra402@pve", "Look");
}

/// The operator takes the fence away, or moves the container out of it, while the link waits.
#[tokio::test]
async fn no_link_is_put_up_while_a_required_fence_is_gone() {
    let app = fenced(&[]).await;
    let leased = lease(&app, 1).await;
    let vmid = ctid(&leased);
    let lease_id = leased.body["leaseId"].as_str().unwrap();
    app.sim.remove_security_group("infra402");
    app.sim.clear_requests();
    app.clock.advance(Duration::from_secs(13));
    let looked = async |app: &TestApp| {
        app.sim.clear_requests();
        until("the fence to be looked at", async || {
            (app.sim.request_count("GET", "/firewall") > 0).then_some(())
        })
        .await;
    };
    looked(&app).await;
    app.clock.advance(Duration::from_secs(60));
    // A second look begins after the first try is over.
    looked(&app).await;
    assert!(is_down(&app, vmid), "{}", net0(&app, vmid));
    // Its owner and the operator are told.
    assert_eq!(app.app.alarms.of(&lease_id.into()), Some(Trouble::LinkDown));
    let session = Buyer::new(1).sign_in(&app).await;
    let view = session.get(&app, &format!("/leases/{lease_id}")).await.body;
    let notice = view["notice"].as_str().unwrap();
    assert!(notice.contains("network cannot be used yet"), "{view}");
    app.sim.add_security_group("infra402");
    app.clock.advance(Duration::from_secs(11));
    link_goes_up(&app, vmid).await;
    until("the alarm to be over", async || {
        app.app.alarms.of(&lease_id.into()).is_none().then_some(())
    })
    .await;
}

/// A clock that was wrong is set while the link waits, as at a host's start.
#[tokio::test]
async fn a_clock_that_is_set_puts_no_link_up_early_and_keeps_none_down() {
    for by in [20, -20 * 60] {
        let app = fenced(&[]).await;
        let first = ctid(&lease(&app, 1).await);
        app.clock.set_by(by);
        // Wakes the worker, which puts up what it takes for due.
        let second = ctid(&lease(&app, 2).await);
        assert!(is_down(&app, first) && is_down(&app, second), "{by}");
        app.clock.advance(Duration::from_secs(13));
        link_goes_up(&app, first).await;
        link_goes_up(&app, second).await;
    }
}

/// Its operator has changed it, or restored it from a backup without rules.
#[tokio::test]
async fn a_container_whose_own_firewall_does_not_filter_stays_off_the_bridge() {
    for (option, off, on) in [
        ("enable", json!(0), json!(1)),
        ("ipfilter", json!(0), json!(1)),
        ("macfilter", json!(0), json!(1)),
        ("policy_in", json!("ACCEPT"), json!("DROP")),
    ] {
        let app = fenced(&[]).await;
        let leased = lease(&app, 1).await;
        let vmid = ctid(&leased);
        let lease_id = leased.body["leaseId"].as_str().unwrap();
        app.sim.set_guest_firewall_option(vmid, option, off);
        app.clock.advance(Duration::from_secs(13));
        until("the operator to be told", async || {
            (app.app.alarms.of(&lease_id.into()) == Some(Trouble::LinkDown)).then_some(())
        })
        .await;
        assert!(is_down(&app, vmid), "{option}");
        app.sim.set_guest_firewall_option(vmid, option, on);
        app.clock.advance(Duration::from_secs(6));
        link_goes_up(&app, vmid).await;
    }
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
    // A group that only accepts closes nothing.
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

/// Sales stop, and the operator is told of what runs already.
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

/// A tenant whose container does not shut down holds up no neighbour, whose paid time runs.
#[tokio::test]
async fn a_slow_end_of_one_lease_keeps_no_other_link_down() {
    let app = fenced(&[]).await;
    let slow = ctid(&lease(&app, 1).await);
    app.clock.advance(Duration::from_secs(13));
    link_goes_up(&app, slow).await;
    app.clock.advance(Duration::from_secs(30 * 60 - 5));
    let fault = FaultKind::SlowTask(Duration::from_secs(12));
    app.sim
        .faults()
        .inject(Fault::always(Operation::Shutdown, fault));
    let vmid = ctid(&lease(&app, 2).await);
    app.clock.advance(Duration::from_secs(6));
    until("the end of the first lease to begin", async || {
        (app.sim
            .request_count("POST", &format!("{slow}/status/shutdown"))
            > 0)
        .then_some(())
    })
    .await;
    app.clock.advance(Duration::from_secs(7));
    link_goes_up(&app, vmid).await;
    let session = Buyer::new(1).sign_in(&app).await;
    let view = session.get(&app, "/leases").await.body["leases"][0].clone();
    assert_eq!(view["status"], "expiring", "{view}");
}

/// Root inside the container decides what is read there, and the address is where others are led to.
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

/// The table of the bridge is each node's own, and a VLAN is another network.
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

/// A backup of the first seconds, restored when the link was due.
#[tokio::test]
async fn a_container_that_comes_back_gets_its_link() {
    let app = fenced(&[]).await;
    let vmid = ctid(&lease(&app, 1).await);
    let backup = app.sim.backup(vmid);
    app.sim.remove_container(vmid);
    app.sim.clear_requests();
    app.clock.advance(Duration::from_secs(13));
    until("the container to be missed", async || {
        (app.sim.request_count("GET", "/cluster/nextid") > 0).then_some(())
    })
    .await;
    // The next try begins after the one that missed it is over.
    app.sim.clear_requests();
    app.clock.advance(Duration::from_secs(6));
    until("the container to be missed again", async || {
        (app.sim.request_count("GET", "/cluster/nextid") > 0).then_some(())
    })
    .await;
    app.sim.restore(&backup, vmid, Some("infra402"));
    app.clock.advance(Duration::from_secs(11));
    link_goes_up(&app, vmid).await;
}

/// The shortest lease, renewed while its link waits: answer, list and end agree on when the paid time begins.
#[tokio::test]
async fn paid_time_begins_with_the_network_for_renewals_as_well() {
    let app = fenced(&[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 1})).await;
    let vmid = ctid(&leased);
    let ready = seconds(&leased.body["networkReadyAt"]);
    assert_eq!(seconds(&leased.body["expiresAt"]), ready + 60);
    let renewed = buyer.renew(&app, vmid, 1).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    assert_eq!(seconds(&renewed.body["expiresAt"]), ready + 120);
    let view = async || session.get(&app, "/leases").await.body["leases"][0].clone();
    assert_eq!(seconds(&view().await["expiresAt"]), ready + 120);

    let to = |at: i64| {
        let by = u64::try_from(at - app.app.now()).unwrap();
        app.clock.advance(Duration::from_secs(by));
    };
    to(ready + 1);
    link_goes_up(&app, vmid).await;
    to(ready + 110);
    assert_eq!(view().await["status"], "active");
    to(ready + 121);
    until("the lease to end", async || {
        (view().await["status"] == "stopped").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_destroyed_while_its_link_waits_is_left_alone() {
    let app = fenced(&[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    let vmid = ctid(&leased);
    let path = format!("/lease/{vmid}");
    let gone = session.call(&app, Method::DELETE, &path).await;
    assert!(gone.status.is_success(), "{:?}", gone.body);
    until("the container to be gone", async || {
        app.sim.container(vmid).is_none().then_some(())
    })
    .await;
    // Its address was never on the bridge, and its number is the next lease's.
    let next = lease(&app, 2).await;
    assert_eq!(next.body["ip"], "10.64.0.2", "{:?}", next.body);
    let next = ctid(&next);
    app.clock.advance(Duration::from_secs(13));
    link_goes_up(&app, next).await;
}

/// It dies after the container was made and before its firewall is set: it never runs, and costs nothing.
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
