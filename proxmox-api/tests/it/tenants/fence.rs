//! The firewall of a container, from before its first start to its end.

use std::time::Duration;

use proxmox_api::lease::network::fence::{FenceProof, PROVEN};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Buyer, call},
    support::{TestApp, until},
};

use super::{NETWORK, ctid, fenced, lease, net0, refused, seconds, unfenced};

/// Checks that the container's firewall has the rules that it needs.
fn assert_fenced(app: &TestApp, vmid: u32) {
    let firewall = app.sim.guest_firewall(vmid).unwrap();
    for (option, value) in [
        ("enable", json!(1)),
        ("policy_in", json!("DROP")),
        ("ipfilter", json!(1)),
        ("macfilter", json!(1)),
    ] {
        assert_eq!(firewall.options.get(option), Some(&value), "{option}");
    }
    let group = |rule: &&std::collections::BTreeMap<String, Value>| {
        rule["type"] == "group" && rule["action"] == "infra402" && rule["enable"] == 1
    };
    assert_eq!(firewall.rules.iter().filter(group).count(), 1);
    assert!(net0(app, vmid).contains("firewall=1"));
}

#[tokio::test]
async fn every_container_is_fenced_in_before_its_first_start() {
    let app = fenced(&[]).await;
    app.sim.clear_requests();
    let leased = lease(&app, 1).await;
    let vmid = ctid(&leased);
    let requests = app.sim.requests();
    let position = |method: &str, end: &str| {
        let found =
            |record: &pve_sim::RequestRecord| record.method == method && record.path.ends_with(end);
        requests
            .iter()
            .position(found)
            .unwrap_or_else(|| panic!("{method} {end}"))
    };
    let made = position("POST", "/lxc");
    let rule = position("POST", "/firewall/rules");
    let options = position("PUT", "/firewall/options");
    let started = position("POST", "/status/start");
    assert!(
        made < rule && rule < started && options < started,
        "{made} {rule} {options} {started}"
    );
    assert_fenced(&app, vmid);
    let interface = net0(&app, vmid);
    for part in [
        "ip=10.64.0.2/28",
        "gw=10.64.0.1",
        "rate=23.84",
        "link_down=1",
    ] {
        assert!(interface.contains(part), "{part}: {interface}");
    }
    let config = app.sim.container(vmid).unwrap().config;
    assert_eq!(config["nameserver"], "9.9.9.9 1.1.1.1");
    assert_eq!(leased.body["ip"], "10.64.0.2");

    let session = Buyer::new(1).sign_in(&app).await;
    let view = session.get(&app, "/leases").await.body["leases"][0].clone();
    assert!(
        view["notice"].as_str().unwrap().contains("network"),
        "{view}"
    );

    // The link comes up once the host's firewall knows the rules; the paid minutes begin at that
    // time.
    let ready = seconds(&leased.body["networkReadyAt"]);
    assert!(
        (app.app.now()..=app.app.now() + 12).contains(&ready),
        "{ready}"
    );
    assert_eq!(seconds(&leased.body["expiresAt"]), ready + 30 * 60);
    app.clock.advance(Duration::from_secs(13));
    until("the link to be up", async || {
        (!net0(&app, vmid).contains("link_down")).then_some(())
    })
    .await;
    assert_eq!(
        net0(&app, vmid),
        interface.replace(",link_down=1", ""),
        "and nothing else is changed"
    );
}

#[tokio::test]
async fn a_fence_stays_through_a_life() {
    let app = fenced(&[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    let vmid = ctid(&leased);
    for action in ["stop", "start"] {
        let switched = session
            .call(&app, Method::POST, &format!("/lease/{vmid}/{action}"))
            .await;
        assert_eq!(switched.status, 200, "{:?}", switched.body);
    }
    let node = app.sim.container(vmid).unwrap().node;
    app.sim
        .migrate(vmid, if node == "pve" { "pve2" } else { "pve" });
    app.clock.advance(Duration::from_secs(13));
    let renewed = buyer.renew(&app, vmid, 5).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    assert_fenced(&app, vmid);
    until("the link to be up on the other node", async || {
        (!net0(&app, vmid).contains("link_down")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_table_that_was_proven_on_the_bridge_needs_no_waiting() {
    let app = unfenced(&[NETWORK]).await;
    let proof = |network: &str| {
        let proof = FenceProof {
            bridge: "vmbr0".into(),
            network: network.into(),
            vlan: None,
            nodes: ["pve", "pve2"]
                .map(|node| pve::NodeName::new(node).unwrap())
                .into(),
            at: 1,
        };
        serde_json::to_string(&proof).unwrap()
    };
    app.app
        .store
        .set_installation_value(PROVEN, proof("10.99.0.0/28"))
        .await
        .unwrap();
    refused(&app, 1).await;
    app.app
        .store
        .set_installation_value(PROVEN, proof(NETWORK.1))
        .await
        .unwrap();
    until("the proof to be seen", async || {
        let leased = lease(&app, 2).await;
        if leased.status != 200 {
            return None;
        }
        assert!(
            leased.body.get("networkReadyAt").is_none(),
            "{:?}",
            leased.body
        );
        assert!(!net0(&app, ctid(&leased)).contains("link_down"));
        Some(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_fenced_in_is_not_sold() {
    let app = unfenced(&[NETWORK]).await;
    app.sim.set_firewall(true);
    refused(&app, 1).await;
    // A token that may read it finds that a group has no effect while the datacenter's firewall is
    // off.
    let app = fenced(&[]).await;
    app.sim.set_firewall(false);
    app.sim.set_role("Look", &["Sys.Audit"]);
    app.sim.grant("/", "infra402@pve", "Look");
    refused(&app, 1).await;
    let app = fenced(&[]).await;
    for node in ["pve", "pve2"] {
        app.sim.set_node_firewall(node, false);
    }
    refused(&app, 1).await;
    let app = fenced(&[]).await;
    app.sim.remove_security_group("infra402");
    refused(&app, 1).await;
}

#[tokio::test]
async fn an_operator_may_sell_without_a_fence_and_customers_are_told() {
    for more in [&[][..], &[NETWORK, ("PVE_FENCE", "warn")][..]] {
        let app = unfenced(more).await;
        let catalog = call(&app, &Method::GET, "/catalog", None, &[]).await;
        let notice = catalog.body["isolationNotice"].as_str();
        assert!(
            notice.unwrap().contains("not kept apart"),
            "{:?}",
            catalog.body
        );
        let vmid = ctid(&lease(&app, 1).await);
        assert_eq!(net0(&app, vmid).contains("ip=dhcp"), more.is_empty());
        assert!(!net0(&app, vmid).contains("link_down"));
    }
    let app = fenced(&[]).await;
    let catalog = call(&app, &Method::GET, "/catalog", None, &[]).await;
    assert!(
        catalog.body.get("isolationNotice").is_none(),
        "{:?}",
        catalog.body
    );
}

#[tokio::test]
async fn a_firewall_that_cannot_be_set_makes_no_lease() {
    use pve_sim::{Fault, FaultKind, Operation};
    let app = fenced(&[]).await;
    let fault = Operation::Path("/firewall/rules".into());
    app.sim
        .faults()
        .inject(Fault::always(fault, FaultKind::Html502));
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let failed = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(
        (failed.status.as_u16(), failed.code()),
        (502, "provisioning_failed")
    );
    assert_eq!(app.balance(buyer.wallet()).await, before);
    until("nothing to be left", async || {
        app.sim.containers().is_empty().then_some(())
    })
    .await;
}

/// The service crashes between the start and the end of the wait: the next process puts the link
/// up.
#[tokio::test]
async fn a_crash_leaves_no_link_down() {
    let mut app = fenced(&[]).await;
    let vmid = ctid(&lease(&app, 1).await);
    assert!(net0(&app, vmid).contains("link_down"));
    app.clock.advance(Duration::from_secs(60));
    app.restart().await;
    until("the link to be up", async || {
        (!net0(&app, vmid).contains("link_down")).then_some(())
    })
    .await;
}
