//! An administrator's changes without the service, and what the service reads afterwards.

use std::time::Duration;

use pve_sim::SimConfig;
use serde_json::{Value, json};

use crate::client::Node;

fn two_nodes(config: &mut SimConfig) {
    config.nodes = vec!["pve".into(), "pve2".into()];
}

async fn resource(node: &Node, vmid: u32) -> Option<Value> {
    let list = node
        .call("GET", "/cluster/resources", &[("type", "vm")])
        .await;
    let list = list.data().as_array().unwrap().clone();
    list.into_iter().find(|one| one["vmid"] == vmid)
}

/// Waits until the container has the status, by polling as a client does.
async fn until(node: &Node, vmid: u32, status: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while node.sim.container(vmid).unwrap().status != status {
        assert!(std::time::Instant::now() < deadline, "never {status}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_migrated_container_is_missing_where_it_was_and_lives_where_it_is() {
    let node = Node::with(two_nodes).await;
    node.running(100).await;
    node.sim.advance_clock(Duration::from_secs(500));
    node.sim.migrate(100, "pve2");

    let missing = "Configuration file 'nodes/pve/lxc/100.conf' does not exist";
    for (method, path) in [
        ("GET", "config"),
        ("GET", "status/current"),
        ("GET", "interfaces"),
        ("POST", "termproxy"),
    ] {
        let reply = node
            .call(method, &format!("/nodes/pve/lxc/100/{path}"), &[])
            .await;
        assert_eq!((reply.status, reply.message()), (500, missing), "{path}");
    }
    let gone = node.call("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!((gone.status, gone.message()), (500, missing));
    // The state is checked first, and the container does not run.
    let stop = node
        .call("POST", "/nodes/pve/lxc/100/status/stop", &[])
        .await;
    assert_eq!((stop.status, stop.message()), (500, "CT 100 not running"));
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, missing);

    let listed = resource(&node, 100).await.unwrap();
    assert_eq!(
        (&listed["node"], &listed["status"]),
        (&json!("pve2"), &json!("running"))
    );
    let there = node
        .call("GET", "/nodes/pve2/lxc/100/status/current", &[])
        .await;
    assert_eq!(there.data()["status"], "running");
    assert!(there.data()["uptime"].as_u64().unwrap() < 100);
    let stop = node
        .call("POST", "/nodes/pve2/lxc/100/status/stop", &[])
        .await;
    assert!(stop.data().as_str().unwrap().starts_with("UPID:pve2:"));
}

#[tokio::test]
async fn a_clone_and_a_restore_carry_the_description_under_their_own_number() {
    let node = Node::start().await;
    let reply = node
        .create(100, &[("description", "marker"), ("hostname", "web")])
        .await;
    assert_eq!(node.finish(&reply).await, "OK");
    let backup = node.sim.backup(100);
    node.sim.clone_container(100, 200, Some("infra402"));
    node.sim.restore(&backup, 201, Some("infra402"));

    let source = node.sim.container(100).unwrap();
    let copy = node.sim.container(200).unwrap();
    let restored = node.sim.container(201).unwrap();
    for one in [&copy, &restored] {
        assert_eq!(one.description.as_deref(), Some("marker"));
        assert_eq!(one.pool.as_deref(), Some("infra402"));
        assert_eq!((&*one.status, &*one.hostname), ("stopped", "web"));
    }
    assert_ne!(copy.config["net0"], source.config["net0"]);
    assert_eq!(restored.config["net0"], source.config["net0"]);
    assert_eq!(copy.config["rootfs"], "local-lvm:vm-200-disk-0,size=8G");
    assert_eq!(restored.config["rootfs"], "local-lvm:vm-201-disk-0,size=8G");

    node.sim.set_description(100, "changed since");
    node.sim.restore(&backup, 100, None);
    let again = node.sim.container(100).unwrap();
    assert_eq!(again.description.as_deref(), Some("marker"));
    assert_eq!(again.pool.as_deref(), Some("infra402"));
}

#[tokio::test]
async fn out_of_the_pool_is_out_of_sight_but_the_number_is_taken() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_pool(100, Some("operators"));
    for (method, path, privilege) in [
        ("GET", "/config", "VM.Audit"),
        ("GET", "/status/current", "VM.Audit"),
        ("GET", "/interfaces", "VM.Audit"),
        ("POST", "/status/stop", "VM.PowerMgmt"),
        ("POST", "/status/shutdown", "VM.PowerMgmt"),
        ("POST", "/termproxy", "VM.Console"),
        ("DELETE", "", "VM.Allocate"),
    ] {
        let reply = node
            .call(method, &format!("/nodes/pve/lxc/100{path}"), &[])
            .await;
        let text = format!("Permission check failed (/vms/100, {privilege})");
        assert_eq!((reply.status, reply.message()), (403, &*text), "{path}");
    }
    assert_eq!(resource(&node, 100).await, None);
    let list = node.call("GET", "/nodes/pve/lxc", &[]).await;
    assert_eq!(list.data(), &json!([]));
    let taken = node
        .call("GET", "/cluster/nextid", &[("vmid", "100")])
        .await;
    assert_eq!(taken.status, 400);
    node.sim.set_pool(100, Some("infra402"));
    assert!(resource(&node, 100).await.is_some());
}

#[tokio::test]
async fn a_node_that_reboots_starts_what_has_onboot_and_ends_its_tasks() {
    let node = Node::with(two_nodes).await;
    node.running(100).await;
    node.running(101).await;
    node.sim.set_config(101, "onboot", json!(1));
    node.sim.set_lock(100, Some("backup"));
    node.sim.set_time_scale(1000.0);
    let slow = node.create(102, &[]).await;
    node.sim.advance_clock(Duration::from_secs(1000));
    node.sim.reboot_node("pve");

    assert_eq!(node.finish(&slow).await, "unexpected status");
    let (off, on) = (node.sim.container(100), node.sim.container(101));
    assert_eq!(off.as_ref().unwrap().status, "stopped");
    assert_eq!(off.unwrap().lock, None);
    assert_eq!(on.unwrap().status, "running");
    assert_eq!(
        node.sim.container(102).unwrap().lock.as_deref(),
        Some("create")
    );
    let current = node
        .call("GET", "/nodes/pve/lxc/101/status/current", &[])
        .await;
    assert!(current.data()["uptime"].as_u64().unwrap() < 100);
    let status = node.call("GET", "/nodes/pve/status", &[]).await;
    assert!(status.data()["uptime"].as_u64().unwrap() < 100);
    let other = node.call("GET", "/nodes/pve2/status", &[]).await;
    assert!(other.data()["uptime"].as_u64().unwrap() > 100);
}

#[tokio::test]
async fn high_availability_takes_requests_and_acts_on_them_later() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_ha(100, true);
    // A cycle of five seconds takes half a second here.
    node.sim.set_time_scale(0.1);
    let stop = node
        .call(
            "POST",
            "/nodes/pve/lxc/100/status/shutdown",
            &[("timeout", "20"), ("forceStop", "1")],
        )
        .await;
    assert!(stop.data().as_str().unwrap().contains(":hastop:100:"));
    assert_eq!(node.finish(&stop).await, "OK");
    let current = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(current.data()["status"], "running");
    assert_eq!(
        current.data()["ha"],
        json!({"managed": 1, "state": "started"})
    );
    assert_eq!(resource(&node, 100).await.unwrap()["hastate"], "started");
    until(&node, 100, "stopped").await;
    let kinds: Vec<_> = node.sim.tasks();
    let last = kinds.last().unwrap();
    assert_eq!((&*last.kind, &*last.user), ("vzshutdown", "root@pam"));

    node.sim.set_time_scale(0.001);
    let refused = node.call("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!(
        (refused.status, refused.message()),
        (
            500,
            "unable to remove CT 100 - used in HA resources and purge parameter not set."
        )
    );
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert!(start.data().as_str().unwrap().contains(":hastart:100:"));
    assert_eq!(node.finish(&start).await, "OK");
    until(&node, 100, "running").await;

    // Force is ignored: a container that does not halt keeps running, and is shown as an error.
    node.sim.ignore_shutdown(100);
    let stop = node
        .call(
            "POST",
            "/nodes/pve/lxc/100/status/shutdown",
            &[("timeout", "5"), ("forceStop", "1")],
        )
        .await;
    assert_eq!(node.finish(&stop).await, "OK");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while resource(&node, 100).await.unwrap()["hastate"] != "error" {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(node.sim.container(100).unwrap().status, "running");
}

#[tokio::test]
async fn a_protected_container_and_a_template_refuse_what_proxmox_refuses() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_protection(100, true);
    let refused = node
        .call(
            "DELETE",
            "/nodes/pve/lxc/100",
            &[("force", "1"), ("purge", "1")],
        )
        .await;
    assert_eq!(
        (refused.status, refused.message()),
        (500, "can't remove CT 100 - protection mode enabled")
    );
    node.sim.set_protection(100, false);

    node.sim.convert_to_template(100);
    let config = node.call("GET", "/nodes/pve/lxc/100/config", &[]).await;
    assert_eq!(config.data()["template"], 1);
    assert_eq!(config.data()["rootfs"], "local-lvm:base-100-disk-0,size=8G");
    let current = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(current.data()["template"], 1);
    assert_eq!(resource(&node, 100).await.unwrap()["template"], 1);
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(
        node.finish(&start).await,
        "you can't start a CT if it's a template"
    );
}

#[tokio::test]
async fn a_renumbered_container_leaves_its_old_number_free_and_its_pool() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.renumber(100, 300);
    let free = node
        .call("GET", "/cluster/nextid", &[("vmid", "100")])
        .await;
    assert_eq!(free.data(), "100");
    let moved = node.sim.container(300).unwrap();
    assert_eq!((&*moved.status, moved.pool), ("running", None));
}

#[tokio::test]
async fn a_node_that_is_away_keeps_its_guests_in_the_lists_as_unknown() {
    let node = Node::with(two_nodes).await;
    node.running(100).await;
    node.sim.migrate(100, "pve2");
    for online in [false, true, false] {
        node.sim.set_node_online("pve2", online);
        let listed = resource(&node, 100).await.unwrap();
        let expected = if online { "running" } else { "unknown" };
        assert_eq!(
            (&listed["node"], &listed["status"]),
            (&json!("pve2"), &json!(expected))
        );
        let current = node
            .call("GET", "/nodes/pve2/lxc/100/status/current", &[])
            .await;
        assert_eq!(current.status, if online { 200 } else { 595 });
    }
    for (method, path) in [
        ("GET", "/nodes/pve2/lxc"),
        ("GET", "/nodes/pve2/status"),
        ("GET", "/nodes/pve2/lxc/100/config"),
        ("POST", "/nodes/pve2/lxc/100/status/stop"),
        ("POST", "/nodes/pve2/lxc/100/status/start"),
        ("DELETE", "/nodes/pve2/lxc/100"),
    ] {
        assert_eq!(node.call(method, path, &[]).await.status, 595, "{path}");
    }
    let nodes = node.call("GET", "/nodes", &[]).await;
    let away = nodes.data().as_array().unwrap().iter();
    let away: Vec<_> = away.filter(|one| one["node"] == "pve2").collect();
    assert_eq!(away[0]["status"], "offline");
    let taken = node
        .call("GET", "/cluster/nextid", &[("vmid", "100")])
        .await;
    assert_eq!(taken.body["errors"]["vmid"], "VM 100 already exists");
}

#[tokio::test]
async fn the_overview_can_be_stale() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.hide_from_resources(100, true);
    assert_eq!(resource(&node, 100).await, None);
    let there = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(there.data()["status"], "running");
    node.sim.hide_from_resources(100, false);
    node.sim.list_on_node(100, Some("nowhere"));
    assert_eq!(resource(&node, 100).await.unwrap()["node"], "nowhere");
    node.sim.list_on_node(100, None);
    assert_eq!(resource(&node, 100).await.unwrap()["node"], "pve");
}

#[tokio::test]
async fn a_flapping_node_comes_and_goes_until_it_is_told_to_stay() {
    let node = Node::with(two_nodes).await;
    node.sim.flap_node("pve2", Duration::from_millis(20));
    let mut seen = std::collections::BTreeSet::new();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while seen.len() < 2 {
        assert!(std::time::Instant::now() < deadline, "only {seen:?}");
        seen.insert(node.call("GET", "/nodes/pve2/status", &[]).await.status);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 595]);
    node.sim.set_node_online("pve2", true);
    let quiet = std::time::Instant::now() + Duration::from_millis(200);
    while std::time::Instant::now() < quiet {
        assert_eq!(
            node.call("GET", "/nodes/pve2/status", &[]).await.status,
            200
        );
    }
}
