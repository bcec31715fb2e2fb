//! The calls by which an administrator moves, copies, backs up and manages containers.

use std::time::{Duration, Instant};

use pve_sim::{Fault, FaultKind, Operation};
use serde_json::json;

use crate::client::{Node, TestResponse};

/// Waits for a task of root's and returns its exit status.
pub async fn finish(node: &Node, reply: &TestResponse) -> String {
    let upid = reply.data().as_str().unwrap().to_owned();
    exit_of(node, |task| task.upid == upid).await
}

/// The exit status of the first task that matches, as soon as there is one.
pub async fn exit_of(node: &Node, fits: impl Fn(&pve_sim::TaskSnapshot) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let task = node.sim.tasks().into_iter().find(|task| fits(task));
        if let Some(exit) = task.and_then(|task| task.exit_status) {
            return exit;
        }
        assert!(Instant::now() < deadline, "no such task ends");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until a condition holds.
pub async fn until(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub async fn two_nodes() -> Node {
    Node::with(|config| config.nodes = vec!["pve".into(), "pve2".into()]).await
}

#[tokio::test]
async fn a_migration_stops_moves_and_starts_under_its_lock() {
    let node = two_nodes().await;
    node.running(100).await;
    let path = "/nodes/pve/lxc/100/migrate";
    let refused = node.as_root("POST", path, &[("target", "pve2")]).await;
    assert_eq!(
        (refused.status, refused.message()),
        (
            500,
            "can't migrate running container without --online or --restart"
        )
    );
    let live = [("target", "pve2"), ("online", "1")];
    let live = node.as_root("POST", path, &live).await;
    assert_eq!(finish(&node, &live).await, "migration aborted");
    let task = node.sim.tasks().pop().unwrap();
    assert!(
        task.log
            .iter()
            .any(|line| line.contains("lxc live migration is currently not implemented"))
    );

    // A tenth of the real time: the copy takes half a second.
    node.sim.set_time_scale(0.1);
    let restart = [("target", "pve2"), ("restart", "1")];
    let moving = node.as_root("POST", path, &restart).await;
    until(|| node.sim.container(100).unwrap().lock.as_deref() == Some("migrate")).await;
    let refused = node
        .call("PUT", "/nodes/pve/lxc/100/config", &[("memory", "600")])
        .await;
    assert_eq!(
        (refused.status, refused.message()),
        (500, "CT is locked (migrate)")
    );
    assert_eq!(node.sim.container(100).unwrap().status, "stopped");
    assert_eq!(finish(&node, &moving).await, "OK");
    let exit = exit_of(&node, |task| task.node == "pve2" && task.kind == "vzstart").await;
    assert_eq!(exit, "OK");
    let there = node.sim.container(100).unwrap();
    assert_eq!(
        (&*there.node, &*there.status, there.lock),
        ("pve2", "running", None)
    );
}

#[tokio::test]
async fn a_node_that_is_told_to_reboot_is_away_for_a_while() {
    let node = two_nodes().await;
    node.running(100).await;
    node.sim.migrate(100, "pve2");
    node.sim.set_config(100, "onboot", json!(1));
    // A reboot takes 0.6 seconds.
    node.sim.set_time_scale(0.01);
    let told = [("command", "reboot")];
    let told = node.as_root("POST", "/nodes/pve2/status", &told).await;
    assert_eq!(told.data(), &json!(null));
    until(|| node.sim.container(100).unwrap().status == "stopped").await;
    let away = node.call("GET", "/nodes/pve2/status", &[]).await;
    assert_eq!(away.status, 595);
    until(|| node.sim.container(100).unwrap().status == "running").await;
    let back = node.call("GET", "/nodes/pve2/status", &[]).await;
    assert!(back.data()["uptime"].as_u64().unwrap() < 5);
}

#[tokio::test]
async fn pools_are_edited_all_or_nothing_and_nest() {
    let node = Node::start().await;
    node.container(100).await;
    let put = |params: &'static [(&'static str, &'static str)]| {
        let node = &node;
        async move { node.as_root("PUT", "/pools", params).await }
    };
    let orphan = node.as_root("POST", "/pools", &[("poolid", "a/b")]).await;
    assert_eq!(orphan.message(), "parent 'a' of pool 'a/b' does not exist");
    for pool in ["a", "a/b"] {
        let made = node.as_root("POST", "/pools", &[("poolid", pool)]).await;
        assert_eq!(made.status, 200);
    }
    let stays = put(&[("poolid", "a/b"), ("vms", "100")]).await;
    assert_eq!(
        stays.message(),
        "VM 100 belongs already to pool 'infra402' and 'allow-move' is not set"
    );
    let missing = put(&[("poolid", "infra402"), ("vms", "100,777"), ("delete", "1")]).await;
    assert_eq!(missing.message(), "VM 777 is not a pool member");
    assert_eq!(
        node.sim.container(100).unwrap().pool.as_deref(),
        Some("infra402")
    );
    let moved = put(&[("poolid", "a/b"), ("vms", "100"), ("allow-move", "1")]).await;
    assert_eq!(moved.status, 200);
    assert_eq!(
        node.call("GET", "/nodes/pve/lxc/100/config", &[])
            .await
            .status,
        403
    );
    // A role on a pool also applies to the pools below it.
    node.sim.grant("/pool/a", "infra402@pve", "Infra402Guest");
    assert_eq!(
        node.call("GET", "/nodes/pve/lxc/100/config", &[])
            .await
            .status,
        200
    );
    let list = [("poolid", "a/b")];
    let list = node.call("GET", "/pools", &list).await;
    assert_eq!(list.data()[0]["members"][0]["vmid"], 100);
    let full = node.as_root("DELETE", "/pools", &[("poolid", "a/b")]).await;
    assert_eq!(full.message(), "pool 'a/b' is not empty (contains VM 100)");
    let above = node.as_root("DELETE", "/pools", &[("poolid", "a")]).await;
    assert_eq!(
        above.message(),
        "pool 'a' is not empty (contains pool 'a/b')"
    );
    let out = put(&[("poolid", "a/b"), ("vms", "100"), ("delete", "1")]).await;
    assert_eq!(
        (out.status, node.sim.container(100).unwrap().pool),
        (200, None)
    );
    let gone = node.as_root("DELETE", "/pools", &[("poolid", "a/b")]).await;
    assert_eq!(gone.status, 200);
}

#[tokio::test]
async fn high_availability_starts_relocates_and_lets_go() {
    let node = two_nodes().await;
    node.container(100).await;
    let sid = [("sid", "ct:100")];
    let added = node.as_root("POST", "/cluster/ha/resources", &sid).await;
    assert_eq!(added.data(), &json!(null));
    // A resource that is added without a state is started.
    until(|| node.sim.container(100).unwrap().status == "running").await;
    let twice = node.as_root("POST", "/cluster/ha/resources", &sid).await;
    assert_eq!(twice.message(), "resource ID 'ct:100' already defined");

    let params = [("target", "pve2"), ("restart", "1")];
    let moved = node
        .as_root("POST", "/nodes/pve/lxc/100/migrate", &params)
        .await;
    assert!(moved.data().as_str().unwrap().contains(":hamigrate:100:"));
    assert_eq!(finish(&node, &moved).await, "OK");
    until(|| {
        let there = node.sim.container(100).unwrap();
        there.node == "pve2" && there.status == "running" && there.lock.is_none()
    })
    .await;
    let state = [("state", "stopped")];
    let path = "/cluster/ha/resources/ct:100";
    assert_eq!(node.as_root("PUT", path, &state).await.status, 200);
    until(|| node.sim.container(100).unwrap().status == "stopped").await;
    let one = node.as_root("GET", path, &[]).await;
    assert_eq!(one.data()["state"], "stopped");
    assert_eq!(node.as_root("DELETE", path, &[]).await.status, 200);
    let again = node.as_root("DELETE", path, &[]).await;
    assert_eq!(
        again.message(),
        "cannot delete service 'ct:100', not HA managed!"
    );
}

#[tokio::test]
async fn a_managed_container_goes_with_purge_and_leaves_high_availability() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_ha(100, true);
    let params = [("purge", "1"), ("force", "1")];
    let gone = node.call("DELETE", "/nodes/pve/lxc/100", &params).await;
    assert_eq!(node.finish(&gone).await, "OK");
    let list = node.as_root("GET", "/cluster/ha/resources", &[]).await;
    assert_eq!(list.data(), &json!([]));
}

#[tokio::test]
async fn a_lock_file_that_is_busy_fails_the_task_and_not_the_call() {
    let node = Node::start().await;
    node.running(100).await;
    let busy = "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout";
    for (operation, method, path) in [
        (Operation::Stop, "POST", "/status/stop"),
        (Operation::Shutdown, "POST", "/status/shutdown"),
        (Operation::Reboot, "POST", "/status/reboot"),
        (Operation::Destroy, "DELETE", "?force=1"),
    ] {
        let fault = Fault::once(operation, FaultKind::LockTimeout);
        node.sim.faults().inject(fault);
        let path = format!("/nodes/pve/lxc/100{path}");
        let reply = node.call(method, &path, &[]).await;
        assert_eq!(node.finish(&reply).await, busy, "{path}");
    }
    assert_eq!(node.sim.container(100).unwrap().status, "running");
}

#[tokio::test]
async fn a_reboot_under_a_lock_leaves_the_container_down() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_lock(100, Some("backup"));
    let reboot = node
        .call("POST", "/nodes/pve/lxc/100/status/reboot", &[])
        .await;
    assert_eq!(
        node.finish(&reboot).await,
        "command 'systemctl start pve-container@100' failed: exit code 1"
    );
    assert_eq!(node.sim.container(100).unwrap().status, "stopped");
}

#[tokio::test]
async fn a_migration_that_cannot_go_on_starts_the_container_where_it_was() {
    let node = two_nodes().await;
    node.running(100).await;
    node.sim.ignore_shutdown(100);
    let path = "/nodes/pve/lxc/100/migrate";
    let params = [("target", "pve2"), ("restart", "1"), ("timeout", "1")];
    let stuck = node.as_root("POST", path, &params).await;
    assert_eq!(finish(&node, &stuck).await, "migration aborted");
    node.sim.set_node_online("pve2", false);
    let away = node.as_root("POST", path, &params).await;
    assert_eq!(finish(&node, &away).await, "migration aborted");
    let there = node.sim.container(100).unwrap();
    assert_eq!(
        (&*there.node, &*there.status, there.lock),
        ("pve", "running", None)
    );
}

#[tokio::test]
async fn high_availability_starts_again_what_ends_by_itself() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_ha(100, true);
    node.sim.kill_container(100);
    assert_eq!(node.sim.container(100).unwrap().status, "stopped");
    until(|| node.sim.container(100).unwrap().status == "running").await;
}

#[tokio::test]
async fn the_whole_overview_lists_pools_that_may_be_seen() {
    let node = Node::start().await;
    node.as_root("POST", "/pools", &[("poolid", "operators")])
        .await;
    let list = node.call("GET", "/cluster/resources", &[]).await;
    let pools = list.data().as_array().unwrap().iter();
    let pools: Vec<_> = pools.filter(|one| one["type"] == "pool").collect();
    assert_eq!(
        pools,
        [&json!({"id": "/pool/infra402", "pool": "infra402", "type": "pool"})]
    );
}
