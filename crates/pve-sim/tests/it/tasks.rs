//! Tasks: ids, visibility, logs, aborts.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Node;

#[tokio::test]
async fn a_task_splits_the_token_from_the_user_and_ends_its_log_with_the_result() {
    let node = Node::start().await;
    let create = node.create(100, &[]).await;
    node.finish(&create).await;
    let upid = create.data().as_str().unwrap();
    let status = node
        .call("GET", &format!("/nodes/pve/tasks/{upid}/status"), &[])
        .await;
    let data = status.data();
    assert_eq!(
        (&data["user"], &data["tokenid"]),
        (&json!("infra402@pve"), &json!("svc"))
    );
    assert_eq!(
        (&data["type"], &data["id"], &data["exitstatus"]),
        (&json!("vzcreate"), &json!("100"), &json!("OK"))
    );

    let log = node
        .call("GET", &format!("/nodes/pve/tasks/{upid}/log"), &[])
        .await;
    let lines = log.data().as_array().unwrap();
    assert_eq!(log.body["total"], lines.len());
    assert_eq!(
        lines[0],
        json!({"n": 1, "t": "  Logical volume \"vm-100-disk-0\" created."})
    );
    assert_eq!(lines.last().unwrap()["t"], "TASK OK");
    let page = node
        .call(
            "GET",
            &format!("/nodes/pve/tasks/{upid}/log"),
            &[("start", "2"), ("limit", "1")],
        )
        .await;
    assert_eq!(page.data()[0]["n"], 3);
    assert_eq!(page.data().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_encoded_task_id_works_and_a_wrong_one_says_so() {
    let node = Node::start().await;
    let create = node.create(100, &[]).await;
    node.finish(&create).await;
    let encoded = create
        .data()
        .as_str()
        .unwrap()
        .replace(':', "%3A")
        .replace('@', "%40")
        .replace('!', "%21");
    let reply = node
        .call("GET", &format!("/nodes/pve/tasks/{encoded}/status"), &[])
        .await;
    assert_eq!(reply.data()["status"], "stopped");
    let garbage = node
        .call("GET", "/nodes/pve/tasks/UPID:x/status", &[])
        .await;
    assert_eq!(
        (garbage.status, &garbage.body["errors"]),
        (400, &json!({"upid": "unable to parse worker upid"}))
    );
    let gone = "UPID:pve:00000001:00000001:00000001:vzcreate:100:infra402@pve!svc:";
    let reply = node
        .call("GET", &format!("/nodes/pve/tasks/{gone}/status"), &[])
        .await;
    assert_eq!(
        (reply.status, &reply.body["errors"]),
        (400, &json!({"upid": "no such task"}))
    );
}

#[tokio::test]
async fn others_see_a_task_only_with_the_right_to_audit_the_node() {
    let node = Node::start().await;
    let create = node.create(100, &[]).await;
    node.finish(&create).await;
    node.sim.add_user("other@pve", "secret");
    let login = node.login("other@pve", "secret").await;
    let path = format!(
        "/nodes/pve/tasks/{}/status",
        create.data().as_str().unwrap()
    );
    let refused = node.as_ticket(&login, "GET", &path, &[]).await;
    assert_eq!(
        (refused.status, refused.message()),
        (403, "Permission check failed (/nodes/pve, Sys.Audit)")
    );
    let list = node.as_ticket(&login, "GET", "/nodes/pve/tasks", &[]).await;
    assert_eq!((list.data(), &list.body["total"]), (&json!([]), &json!(0)));
    node.sim.grant("/nodes/pve", "other@pve", "PVEAuditor");
    assert_eq!(node.as_ticket(&login, "GET", &path, &[]).await.status, 200);
    let own = node
        .call("GET", "/nodes/pve/tasks", &[("vmid", "100")])
        .await;
    assert_eq!(own.data()[0]["status"], "OK");
}

#[tokio::test]
async fn an_aborted_create_leaves_its_lock_behind() {
    let node = Node::with(|config| config.time_scale = 100.0).await;
    let create = node.create(100, &[]).await;
    let upid = create.data().as_str().unwrap();
    let abort = node
        .call("DELETE", &format!("/nodes/pve/tasks/{upid}"), &[])
        .await;
    assert_eq!(abort.data(), &json!(null));
    assert_eq!(node.finish(&create).await, "received interrupt");
    assert_eq!(
        node.sim.container(100).unwrap().lock.as_deref(),
        Some("create")
    );
    let destroy = node.as_root("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!(
        (destroy.status, destroy.message()),
        (500, "CT is locked (create)")
    );
}

#[tokio::test]
async fn a_stop_may_overrule_a_shutdown_that_hangs() {
    let node = Node::with(|config| config.time_scale = 0.0).await;
    node.running(100).await;
    node.sim.ignore_shutdown(100);
    node.sim.set_time_scale(10.0);
    let shutdown = node
        .call(
            "POST",
            "/nodes/pve/lxc/100/status/shutdown",
            &[("timeout", "3600")],
        )
        .await;
    wait_for_running(&node, "vzshutdown").await;
    node.sim.set_time_scale(0.0);
    let stop = node
        .call(
            "POST",
            "/nodes/pve/lxc/100/status/stop",
            &[("overrule-shutdown", "1")],
        )
        .await;
    assert_eq!(node.finish(&shutdown).await, "received interrupt");
    assert_eq!(node.finish(&stop).await, "OK");
}

async fn wait_for_running(node: &Node, kind: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !node
        .sim
        .tasks()
        .iter()
        .any(|task| task.kind == kind && task.exit_status.is_none())
    {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn only_finished_tasks_are_listed_unless_active_ones_are_asked_for() {
    let node = Node::with(|config| config.time_scale = 100.0).await;
    node.create(100, &[]).await;
    let archive = node.call("GET", "/nodes/pve/tasks", &[]).await;
    assert_eq!(archive.data(), &json!([]));
    let active = node
        .call("GET", "/nodes/pve/tasks", &[("source", "active")])
        .await;
    assert_eq!(active.data()[0]["type"], "vzcreate");
    assert!(active.data()[0].get("status").is_none());
}
