//! Refusals of a create, their texts, and the state afterwards.

use serde_json::json;

use crate::client::{DEBIAN, Node};

const UNKNOWN: &str =
    "property is not defined in schema and the schema does not allow additional properties";

#[tokio::test]
async fn every_wrong_parameter_is_named_at_once() {
    let node = Node::start().await;
    let params = [
        ("vmid", "99"),
        ("hostname", "under_score"),
        ("memory", "8"),
        ("start", "true"),
        ("password", "abc"),
        ("memoryMB", "512"),
        ("net0", "bridge=vmbr0"),
        ("cmode", "bash"),
    ];
    let reply = node.call("POST", "/nodes/pve/lxc", &params).await;
    assert_eq!(
        (reply.status, reply.reason.as_str()),
        (400, "Parameter verification failed.")
    );
    assert_eq!(
        reply.body,
        json!({
            "data": null,
            "message": "Parameter verification failed.\n",
            "errors": {
                "vmid": "value must have a minimum value of 100",
                "ostemplate": "property is missing and it is not optional",
                "hostname": "invalid format - value does not look like a valid DNS name\n",
                "memory": "value must have a minimum value of 16",
                "start": "type check ('boolean') failed - got 'true'",
                "password": "value must be at least 5 characters long",
                "memoryMB": UNKNOWN,
                "net0": "invalid format - format error\nnet0.name: property is missing and it is not optional\n",
                "cmode": "value 'bash' does not have a value in the enumeration 'shell, console, tty'",
            }
        })
    );
}

#[tokio::test]
async fn an_id_in_use_is_refused_at_once() {
    let node = Node::start().await;
    node.container(100).await;
    let reply = node.create(100, &[]).await;
    assert_eq!(
        (reply.status, reply.message()),
        (500, "CT 100 already exists on node 'pve'")
    );
    assert_eq!(reply.reason, "CT 100 already exists on node 'pve'");
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_a_task() {
    let node = Node::start().await;
    let cases = [
        (
            "ostemplate",
            "nonsense",
            500,
            "unable to parse volume ID 'nonsense'",
        ),
        (
            "ostemplate",
            "nowhere:vztmpl/x.tar.zst",
            500,
            "storage 'nowhere' does not exist",
        ),
        (
            "rootfs",
            "nowhere:8",
            500,
            "storage 'nowhere' does not exist",
        ),
        (
            "ssh-public-keys",
            "ssh-rsa nonsense",
            500,
            "SSH public key validation error",
        ),
        ("rootfs", "8", 400, "Parameter verification failed."),
    ];
    for (name, value, status, text) in cases {
        let reply = node.create(100, &[(name, value)]).await;
        assert_eq!(
            (reply.status, reply.message()),
            (status, text),
            "{name}={value}"
        );
    }
    let bare = node.create(100, &[("rootfs", "8")]).await;
    assert_eq!(
        bare.body["errors"],
        json!({"storage": "storage 'local' does not support container directories"})
    );
    assert!(node.sim.tasks().is_empty());
}

#[tokio::test]
async fn a_template_that_does_not_exist_fails_the_task_and_frees_the_id() {
    let node = Node::start().await;
    let create = node
        .create(100, &[("ostemplate", "local:vztmpl/nothing.tar.zst")])
        .await;
    assert_eq!(
        node.finish(&create).await,
        "unable to create CT 100 - volume 'local:vztmpl/nothing.tar.zst' does not exist"
    );
    assert!(node.sim.containers().is_empty());
    node.container(100).await;
}

#[tokio::test]
async fn a_disk_that_does_not_fit_fails_the_task() {
    let node = Node::start().await;
    let create = node.create(100, &[("rootfs", "local-lvm:5000")]).await;
    let exit = node.finish(&create).await;
    assert!(
        exit.starts_with("unable to create CT 100 - lvcreate"),
        "{exit}"
    );
    assert!(node.sim.containers().is_empty());
}

#[tokio::test]
async fn systemd_without_nesting_warns_at_create_and_at_start() {
    let node = Node::start().await;
    let create = node.create(100, &[("features", "")]).await;
    assert_eq!(node.finish(&create).await, "WARNINGS: 1");
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, "WARNINGS: 1");
    assert_eq!(node.sim.container(100).unwrap().status, "running");
    let alpine = "local:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz";
    let create = node
        .create(101, &[("features", ""), ("ostemplate", alpine)])
        .await;
    assert_eq!(node.finish(&create).await, "OK");
}

#[tokio::test]
async fn start_within_create_is_a_task_of_its_own() {
    let node = Node::start().await;
    let create = node.create(100, &[("start", "1")]).await;
    assert_eq!(node.finish(&create).await, "OK");
    let kinds: Vec<String> = node.sim.tasks().into_iter().map(|task| task.kind).collect();
    assert_eq!(kinds, ["vzcreate", "vzstart"]);
}

#[tokio::test]
async fn parameters_may_come_as_json_as_well() {
    let node = Node::start().await;
    let body = json!({
        "vmid": 100, "ostemplate": DEBIAN, "rootfs": "local-lvm:4", "pool": "infra402",
        "unprivileged": true, "features": "nesting=1", "cores": "2",
    });
    let request = node
        .request("POST", "/nodes/pve/lxc")
        .header("Authorization", node.authorization())
        .json(&body);
    let reply = crate::client::send(request).await;
    assert_eq!(node.finish(&reply).await, "OK");
    assert_eq!(node.sim.container(100).unwrap().cores, 2);
}

#[tokio::test]
async fn a_configuration_changes_under_its_digest() {
    let node = Node::start().await;
    node.container(100).await;
    let path = "/nodes/pve/lxc/100/config";
    let digest = node.call("GET", path, &[]).await.data()["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let change = node
        .call("PUT", path, &[("memory", "1024"), ("digest", &digest)])
        .await;
    assert_eq!(change.data(), &json!(null));
    let stale = node
        .call("PUT", path, &[("memory", "2048"), ("digest", &digest)])
        .await;
    assert_eq!(
        (stale.status, stale.message()),
        (
            500,
            "detected modified configuration - file changed by other user? Try again."
        )
    );
    assert_eq!(node.sim.container(100).unwrap().memory_mb, 1024);
    // Rights on the pool are enough for tags once the container is a member.
    let tags = node.call("PUT", path, &[("tags", "Web,lease")]).await;
    assert_eq!(tags.status, 200);
    assert_eq!(node.sim.container(100).unwrap().config["tags"], "lease;web");
    let gone = node.call("PUT", path, &[("delete", "tags")]).await;
    assert_eq!(gone.status, 200);
    assert!(!node.sim.container(100).unwrap().config.contains_key("tags"));
    node.sim.set_lock(100, Some("backup"));
    let locked = node.call("PUT", path, &[("cores", "2")]).await;
    assert_eq!(
        (locked.status, locked.message()),
        (500, "CT is locked (backup)")
    );
}

#[tokio::test]
async fn protection_and_locks_keep_a_container() {
    let node = Node::start().await;
    node.container(100).await;
    node.call("PUT", "/nodes/pve/lxc/100/config", &[("protection", "1")])
        .await;
    let kept = node.call("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!(
        (kept.status, kept.message()),
        (500, "can't remove CT 100 - protection mode enabled")
    );
    node.call("PUT", "/nodes/pve/lxc/100/config", &[("protection", "0")])
        .await;
    node.sim.set_lock(100, Some("backup"));
    let locked = node.call("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!(
        (locked.status, locked.message()),
        (500, "CT is locked (backup)")
    );
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, "CT is locked (backup)");
    node.sim.set_lock(100, None);
    let destroy = node.call("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!(node.finish(&destroy).await, "OK");
}

#[tokio::test]
async fn power_that_does_not_fit_the_state_is_refused_at_once() {
    let node = Node::start().await;
    node.running(100).await;
    let path = |verb: &str| format!("/nodes/pve/lxc/100/status/{verb}");
    let again = node.call("POST", &path("start"), &[]).await;
    assert_eq!(
        (again.status, again.message()),
        (500, "CT 100 already running")
    );
    let reboot = node.call("POST", &path("reboot"), &[]).await;
    assert_eq!(node.finish(&reboot).await, "OK");
    let stop = node.call("POST", &path("stop"), &[]).await;
    assert_eq!(node.finish(&stop).await, "OK");
    for (verb, text) in [
        ("stop", "CT 100 not running"),
        ("shutdown", "CT 100 not running"),
        ("reboot", "VM 100 not running"),
    ] {
        let reply = node.call("POST", &path(verb), &[]).await;
        assert_eq!((reply.status, reply.message()), (500, text));
    }
    let skip = node
        .call("POST", &path("start"), &[("skiplock", "1")])
        .await;
    assert_eq!(
        skip.body["errors"],
        json!({"skiplock": "Only root may use this option."})
    );
}
