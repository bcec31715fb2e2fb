//! Attacks on the fence around tenants: by a tenant, by an operator who takes it away too early, and by what fails meanwhile.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Buyer, call},
    support::{TestApp, until},
    tenants::{NETWORK, ctid, fenced, lease, net0, refused, unfenced},
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
    let vmid = ctid(&lease(&app, 1).await);
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
    app.sim.add_security_group("infra402");
    app.clock.advance(Duration::from_secs(11));
    link_goes_up(&app, vmid).await;
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
    let ending = app.sim.container(slow).unwrap();
    assert_eq!(ending.config.get("lock"), None);
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
    app.clock.advance(Duration::from_secs(6));
    link_goes_up(&app, vmid).await;
}
