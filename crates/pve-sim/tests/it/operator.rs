//! The calls by which an administrator moves, copies, backs up and manages containers.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Node, Reply};

/// Waits for a task of root's and gives its exit status.
async fn finish(node: &Node, reply: &Reply) -> String {
    let upid = reply.data().as_str().unwrap().to_owned();
    exit_of(node, |task| task.upid == upid).await
}

/// The exit status of the first task that fits, as soon as there is one.
async fn exit_of(node: &Node, fits: impl Fn(&pve_sim::TaskSnapshot) -> bool) -> String {
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

/// Waits until something is so.
async fn until(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn two_nodes() -> Node {
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
async fn a_clone_locks_its_source_and_joins_the_pool_at_its_end() {
    let node = Node::start().await;
    let reply = node.create(100, &[("description", "marker")]).await;
    assert_eq!(node.finish(&reply).await, "OK");
    node.sim.set_time_scale(0.1);
    let path = "/nodes/pve/lxc/100/clone";
    let params = [("newid", "200"), ("pool", "infra402"), ("hostname", "twin")];
    let clone = node.as_root("POST", path, &params).await;
    let upid = clone.data().as_str().unwrap().to_owned();
    assert!(upid.contains(":vzclone:100:root@pam:"), "{upid}");
    assert_eq!(
        node.sim.container(100).unwrap().lock.as_deref(),
        Some("disk")
    );
    let draft = node.sim.container(200).unwrap();
    assert_eq!((draft.lock.as_deref(), draft.pool), (Some("create"), None));
    let second = node.as_root("POST", path, &[("newid", "201")]).await;
    assert_eq!(
        (second.status, second.message()),
        (500, "CT is locked (disk)")
    );
    assert_eq!(finish(&node, &clone).await, "OK");
    let copy = node.sim.container(200).unwrap();
    assert_eq!(copy.description.as_deref(), Some("marker"));
    assert_eq!((&*copy.hostname, copy.lock), ("twin", None));
    assert_eq!(copy.pool.as_deref(), Some("infra402"));
    assert_eq!(copy.config["rootfs"], "local-lvm:vm-200-disk-0,size=8G");
    assert_eq!(node.sim.container(100).unwrap().lock, None);
}

#[tokio::test]
async fn a_backup_locks_its_container_and_can_be_restored_under_any_number() {
    let node = Node::start().await;
    let reply = node.create(100, &[("description", "marker")]).await;
    assert_eq!(node.finish(&reply).await, "OK");
    node.sim.set_time_scale(0.05);
    let params = [("vmid", "100"), ("storage", "local"), ("mode", "snapshot")];
    let backup = node.as_root("POST", "/nodes/pve/vzdump", &params).await;
    until(|| node.sim.container(100).unwrap().lock.as_deref() == Some("backup")).await;
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, "CT is locked (backup)");
    let destroy = node.call("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!(
        (destroy.status, destroy.message()),
        (500, "CT is locked (backup)")
    );
    let notes = [("description", "changed")];
    let change = node.call("PUT", "/nodes/pve/lxc/100/config", &notes).await;
    assert_eq!(
        (change.status, change.message()),
        (500, "CT is locked (backup)")
    );
    assert_eq!(finish(&node, &backup).await, "OK");
    node.sim.set_time_scale(0.001);

    let upid = backup.data().as_str().unwrap();
    let task = node
        .sim
        .tasks()
        .into_iter()
        .find(|task| task.upid == upid)
        .unwrap();
    let line = task
        .log
        .iter()
        .find(|line| line.contains("creating vzdump archive"))
        .unwrap();
    let file = line.split('\'').nth(1).unwrap().rsplit('/').next().unwrap();
    let volid = format!("local:backup/{file}");

    let change = node.call("PUT", "/nodes/pve/lxc/100/config", &notes).await;
    assert_eq!(change.status, 200);
    let restore = |vmid: &'static str, force: &'static str| {
        let params = [
            ("vmid", vmid),
            ("ostemplate", &*volid),
            ("restore", "1"),
            ("storage", "local-lvm"),
            ("force", force),
        ];
        let node = &node;
        async move { node.as_root("POST", "/nodes/pve/lxc", &params).await }
    };
    let taken = restore("100", "0").await;
    assert_eq!(taken.message(), "CT 100 already exists on node 'pve'");
    for vmid in ["100", "300"] {
        let restored = restore(vmid, "1").await;
        assert!(restored.data().as_str().unwrap().contains(":vzrestore:"));
        assert_eq!(finish(&node, &restored).await, "OK");
        let there = node.sim.container(vmid.parse().unwrap()).unwrap();
        assert_eq!(there.description.as_deref(), Some("marker"));
        assert_eq!((&*there.status, there.lock), ("stopped", None));
    }
    assert_eq!(
        node.sim.container(100).unwrap().pool.as_deref(),
        Some("infra402")
    );
    assert_eq!(node.sim.container(300).unwrap().pool, None);
}

#[tokio::test]
async fn backups_of_a_node_wait_for_each_other() {
    let node = Node::start().await;
    node.container(100).await;
    node.container(101).await;
    node.sim.set_time_scale(0.01);
    let mut jobs = Vec::new();
    for vmid in ["100", "101"] {
        let params = [("vmid", vmid), ("storage", "local")];
        jobs.push(node.as_root("POST", "/nodes/pve/vzdump", &params).await);
    }
    let locked = || {
        node.sim
            .containers()
            .iter()
            .filter(|one| one.lock.is_some())
            .count()
    };
    until(|| locked() == 1).await;
    until(|| {
        assert!(locked() < 2, "two backups at once");
        locked() == 0
            && node
                .sim
                .tasks()
                .iter()
                .all(|task| task.exit_status.is_some())
    })
    .await;
    for job in &jobs {
        assert_eq!(finish(&node, job).await, "OK");
    }
}

#[tokio::test]
async fn a_snapshot_locks_and_is_listed() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_time_scale(0.1);
    let path = "/nodes/pve/lxc/100/snapshot";
    let name = [("snapname", "before")];
    let taken = node.as_root("POST", path, &name).await;
    until(|| node.sim.container(100).unwrap().lock.as_deref() == Some("snapshot")).await;
    let stop = node
        .call("POST", "/nodes/pve/lxc/100/status/stop", &[])
        .await;
    assert_eq!(node.finish(&stop).await, "CT is locked (snapshot)");
    assert_eq!(finish(&node, &taken).await, "OK");
    node.sim.set_time_scale(0.001);
    let list = node.call("GET", path, &[]).await;
    let names: Vec<_> = list
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["before", "current"]);
    let again = node.as_root("POST", path, &name).await;
    assert_eq!(
        finish(&node, &again).await,
        "snapshot name 'before' already used"
    );
    let gone = node.as_root("DELETE", &format!("{path}/before"), &[]).await;
    assert_eq!(finish(&node, &gone).await, "OK");
}

#[tokio::test]
async fn a_template_is_made_without_a_task_id_in_the_answer() {
    let node = Node::start().await;
    node.running(100).await;
    let path = "/nodes/pve/lxc/100/template";
    let refused = node.as_root("POST", path, &[]).await;
    assert_eq!(
        (refused.status, refused.message()),
        (
            500,
            "you can't convert a CT to template if the CT is running"
        )
    );
    node.sim.kill_container(100);
    let made = node.as_root("POST", path, &[]).await;
    assert_eq!(made.data(), &json!(null));
    assert_eq!(exit_of(&node, |task| task.kind == "vztemplate").await, "OK");
    let list = node.call("GET", "/nodes/pve/lxc", &[]).await;
    assert_eq!(list.data()[0]["template"], 1);
    let linked = [("newid", "101")];
    let linked = node
        .as_root("POST", "/nodes/pve/lxc/100/clone", &linked)
        .await;
    assert_eq!(finish(&node, &linked).await, "OK");
    assert!(
        !node
            .sim
            .container(101)
            .unwrap()
            .config
            .contains_key("template")
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
    // What is given on a pool holds in the pools below it.
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
    // Who adds a resource without a state wants it started.
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
async fn backups_snapshots_and_high_availability_survive_the_simulators_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let node = Node::with(|config| config.state_file = Some(file.clone())).await;
    node.container(100).await;
    node.sim.set_ha(100, true);
    let name = [("snapname", "before")];
    let taken = node
        .as_root("POST", "/nodes/pve/lxc/100/snapshot", &name)
        .await;
    assert_eq!(finish(&node, &taken).await, "OK");
    node.sim.stop().await;

    // A file of an earlier release has none of it.
    let kept = std::fs::read(&file).unwrap();
    let mut old: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    for key in ["ha", "backups"] {
        old.as_object_mut().unwrap().remove(key).unwrap();
    }
    old["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("snapshots")
        .unwrap();

    let node = Node::with(|config| config.state_file = Some(file.clone())).await;
    let list = node.call("GET", "/nodes/pve/lxc/100/snapshot", &[]).await;
    assert_eq!(list.data()[0]["name"], "before");
    let current = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(current.data()["ha"]["managed"], 1);
    node.sim.stop().await;

    std::fs::write(&file, old.to_string()).unwrap();
    let node = Node::with(|config| config.state_file = Some(file)).await;
    let current = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(current.data()["ha"]["managed"], 0);
    node.sim.stop().await;
}

#[tokio::test]
async fn a_clone_that_is_aborted_leaves_nothing_and_one_that_is_killed_leaves_its_locks() {
    let node = Node::start().await;
    node.container(100).await;
    node.sim.set_time_scale(1000.0);
    let path = "/nodes/pve/lxc/100/clone";
    let clone = node.as_root("POST", path, &[("newid", "200")]).await;
    let upid = clone.data().as_str().unwrap();
    node.as_root("DELETE", &format!("/nodes/pve/tasks/{upid}"), &[])
        .await;
    assert_eq!(finish(&node, &clone).await, "received interrupt");
    assert!(node.sim.container(200).is_none());
    assert_eq!(node.sim.container(100).unwrap().lock, None);

    let clone = node.as_root("POST", path, &[("newid", "200")]).await;
    node.sim.reboot_node("pve");
    assert_eq!(finish(&node, &clone).await, "unexpected status");
    assert_eq!(
        node.sim.container(100).unwrap().lock.as_deref(),
        Some("disk")
    );
    assert_eq!(
        node.sim.container(200).unwrap().lock.as_deref(),
        Some("create")
    );
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
