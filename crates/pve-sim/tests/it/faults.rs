//! Every fault has its documented effect, and has none once it is used up.

use std::time::{Duration, Instant};

use pve_sim::{Fault, FaultKind, Operation};
use serde_json::json;

use crate::client::{Node, TestResponse, send};

fn list(node: &Node) -> reqwest::RequestBuilder {
    node.request("GET", "/nodes/pve/lxc")
        .header("Authorization", node.authorization())
}

async fn create_with(node: &Node, kind: FaultKind) -> TestResponse {
    node.sim
        .faults()
        .inject(Fault::once(Operation::Create, kind));
    node.create(100, &[]).await
}

#[tokio::test]
async fn nothing_is_executed_where_the_fault_comes_first() {
    let node = Node::start().await;
    for (kind, status) in [
        (FaultKind::Unreachable595, 595),
        (FaultKind::Handshake596Before, 596),
        (FaultKind::NodeOffline("pve".into()), 595),
        (FaultKind::ExpiredToken, 401),
    ] {
        let reply = create_with(&node, kind.clone()).await;
        assert_eq!(
            (reply.status, reply.body),
            (status, json!(null)),
            "{kind:?}"
        );
    }
    let quorum = create_with(&node, FaultKind::NoQuorum).await;
    assert_eq!(
        (quorum.status, quorum.message()),
        (500, "cluster not ready - no quorum?")
    );
    let lock = create_with(&node, FaultKind::LockTimeout).await;
    assert_eq!(
        lock.message(),
        "unable to create CT 100 - can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"
    );
    assert!(node.sim.containers().is_empty() && node.sim.tasks().is_empty());
    node.container(100).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_has_been_executed() {
    let node = Node::start().await;
    let reply = create_with(&node, FaultKind::Answer596After).await;
    assert_eq!((reply.status, reply.body), (596, json!(null)));
    assert_eq!(node.sim.containers().len(), 1);

    node.sim
        .faults()
        .inject(Fault::once(Operation::Create, FaultKind::DropAfter));
    let params = [
        ("vmid", "101"),
        ("ostemplate", crate::client::DEBIAN),
        ("rootfs", "local-lvm:8"),
        ("pool", "infra402"),
    ];
    let request = node
        .request("POST", "/nodes/pve/lxc")
        .header("Authorization", node.authorization());
    let error = request.form(&params).send().await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert!(node.sim.container(101).is_some());
    assert_eq!(node.sim.requests().last().unwrap().status, 0);
}

#[tokio::test]
async fn a_connection_dropped_first_has_done_nothing() {
    let node = Node::start().await;
    node.sim
        .faults()
        .inject(Fault::once(Operation::NextId, FaultKind::DropBefore));
    let request = node
        .request("GET", "/cluster/nextid")
        .header("Authorization", node.authorization());
    assert!(request.send().await.is_err());
    assert_eq!(node.call("GET", "/cluster/nextid", &[]).await.data(), "100");
}

#[tokio::test]
async fn a_taken_id_belongs_to_somebody_else() {
    let node = Node::start().await;
    let reply = create_with(&node, FaultKind::VmidTaken).await;
    assert_eq!(
        (reply.status, reply.message()),
        (
            500,
            "unable to create CT 100 - CT 100 already exists on node 'pve'"
        )
    );
    let other = node.sim.container(100).unwrap();
    assert!(other.foreign && other.pool.is_none());
}

#[tokio::test]
async fn a_task_fails_as_it_is_told_to() {
    let node = Node::start().await;
    for (kind, exit) in [
        (
            FaultKind::TaskFailure("no space left on device".into()),
            "unable to create CT 100 - no space left on device",
        ),
        (
            FaultKind::MissingTemplate,
            "unable to create CT 100 - volume 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst' does not exist",
        ),
    ] {
        let reply = create_with(&node, kind).await;
        assert_eq!(node.finish(&reply).await, exit);
        assert!(node.sim.containers().is_empty());
    }
    let reply = create_with(&node, FaultKind::StorageFull).await;
    assert!(node.finish(&reply).await.contains("lvcreate"));
    let reply = create_with(&node, FaultKind::Warnings).await;
    assert_eq!(node.finish(&reply).await, "WARNINGS: 1");
    assert_eq!(node.sim.containers().len(), 1);

    for (on, path) in [
        (Operation::Start, "/nodes/pve/lxc/100/status/start"),
        (Operation::Destroy, "/nodes/pve/lxc/100"),
    ] {
        let method = if on == Operation::Destroy {
            "DELETE"
        } else {
            "POST"
        };
        node.sim
            .faults()
            .inject(Fault::once(on, FaultKind::TaskFailure("broken".into())));
        let reply = node.call(method, path, &[]).await;
        assert_eq!(node.finish(&reply).await, "broken");
        assert_eq!(node.sim.container(100).unwrap().status, "stopped");
    }
}

#[tokio::test]
async fn a_worker_that_vanishes_leaves_the_lock_behind() {
    let node = Node::start().await;
    let reply = create_with(&node, FaultKind::TaskUnexpectedStatus).await;
    assert_eq!(node.finish(&reply).await, "unexpected status");
    assert_eq!(
        node.sim.container(100).unwrap().lock.as_deref(),
        Some("create")
    );
}

#[tokio::test]
async fn a_slow_task_takes_longer_and_a_late_answer_comes_later() {
    let node = Node::start().await;
    let begun = Instant::now();
    let reply = create_with(&node, FaultKind::SlowTask(Duration::from_millis(120))).await;
    assert!(begun.elapsed() < Duration::from_millis(120));
    assert_eq!(node.finish(&reply).await, "OK");
    assert!(begun.elapsed() >= Duration::from_millis(120));

    node.sim.faults().inject(Fault::once(
        Operation::List,
        FaultKind::Late(Duration::from_millis(120)),
    ));
    let begun = Instant::now();
    assert_eq!(send(list(&node)).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn broken_answers_are_broken_on_the_wire() {
    let node = Node::start().await;
    let faults = node.sim.faults();
    faults.inject(Fault::once(Operation::List, FaultKind::Html502));
    let page = list(&node).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 502);
    assert!(page.text().await.unwrap().starts_with("<html>"));

    faults.inject(Fault::once(Operation::List, FaultKind::EmptyBody));
    let empty = list(&node).send().await.unwrap();
    assert_eq!(
        (empty.status().as_u16(), empty.bytes().await.unwrap().len()),
        (200, 0)
    );

    faults.inject(Fault::once(Operation::List, FaultKind::TruncatedBody));
    let cut = list(&node).send().await.unwrap();
    assert!(cut.bytes().await.is_err());

    faults.inject(Fault::once(Operation::List, FaultKind::HugeBody));
    let huge = list(&node).send().await.unwrap();
    assert!(huge.bytes().await.unwrap().len() > 64 << 20);
    assert_eq!(send(list(&node)).await.status, 200);
    assert_eq!(faults.hits(), 4);
}

#[tokio::test]
async fn an_offline_node_shows_in_lists_and_reads_go_on_elsewhere() {
    let node = Node::start().await;
    node.sim.faults().inject(Fault::always(
        Operation::Any,
        FaultKind::NodeOffline("pve".into()),
    ));
    assert_eq!(node.call("GET", "/nodes/pve/lxc", &[]).await.status, 595);
    assert_eq!(
        node.call("GET", "/nodes", &[]).await.data()[0]["status"],
        "offline"
    );
    node.sim.faults().clear();
    assert_eq!(
        node.call("GET", "/nodes", &[]).await.data()[0]["status"],
        "online"
    );
}
