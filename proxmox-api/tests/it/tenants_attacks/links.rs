//! Attacks on the fence while a container's link waits: by a tenant, by an operator who removes the
//! fence too early, and by failures meanwhile.

use std::time::Duration;

use proxmox_api::memory::alarms::Trouble;
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::Buyer,
    support::{TestApp, until},
    tenants::{ctid, fenced, lease, net0, seconds},
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

/// The operator removes the fence while the link waits.
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
    // The second attempt begins after the first one is over.
    looked(&app).await;
    assert!(is_down(&app, vmid), "{}", net0(&app, vmid));
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

/// A wrong clock is corrected while the link waits, as at a host's start.
#[tokio::test]
async fn a_clock_that_is_set_puts_no_link_up_early_and_keeps_none_down() {
    for by in [20, -20 * 60] {
        let app = fenced(&[]).await;
        let first = ctid(&lease(&app, 1).await);
        app.clock.set_by(by);
        // Wakes the worker, which puts up the links that it considers due.
        let second = ctid(&lease(&app, 2).await);
        assert!(is_down(&app, first) && is_down(&app, second), "{by}");
        app.clock.advance(Duration::from_secs(13));
        link_goes_up(&app, first).await;
        link_goes_up(&app, second).await;
    }
}

/// The operator has changed the container, or restored it from a backup without rules.
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

/// A container that shuts down slowly does not delay the link of another tenant, whose paid time
/// runs.
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

/// A backup from the first seconds is restored when the link is due.
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
    // The next attempt begins after the one that missed the container is over.
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

/// The shortest lease is renewed while its link waits: answer, list and end agree on the start of
/// the paid time.
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
    // Its address was never on the bridge, and the next lease gets its number.
    let next = lease(&app, 2).await;
    assert_eq!(next.body["ip"], "10.64.0.2", "{:?}", next.body);
    let next = ctid(&next);
    app.clock.advance(Duration::from_secs(13));
    link_goes_up(&app, next).await;
}
