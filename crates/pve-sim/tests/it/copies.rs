//! Clones, backups, restores, snapshots and templates, by the calls of an administrator.

use serde_json::json;

use crate::client::Node;
use crate::operator::{exit_of, finish, until};

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

    // A file of an earlier release has none of these.
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
