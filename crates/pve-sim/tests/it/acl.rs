//! Access control, and the texts of refusals.

use std::time::Duration;

use serde_json::json;

use crate::client::{Node, send};
use crate::operator::exit_of;

#[tokio::test]
async fn a_token_with_pool_rights_does_not_see_a_container_until_it_has_joined() {
    let node = Node::with(|config| config.time_scale = 0.05).await;
    let create = node.create(100, &[]).await;
    assert_eq!(create.status, 200);
    let early = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(early.status, 403);
    assert_eq!(
        early.message(),
        "Permission check failed (/vms/100, VM.Audit)"
    );
    assert_eq!(early.reason, "Permission check failed (/vms/100, VM.Audit)");
    assert_eq!(
        node.call("GET", "/nodes/pve/lxc", &[]).await.data(),
        &json!([])
    );
    let root = node.as_root("GET", "/nodes/pve/lxc/100/config", &[]).await;
    assert_eq!(root.data()["lock"], "create");
    assert_eq!(node.finish(&create).await, "OK");
    let late = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(late.status, 200);
}

#[tokio::test]
async fn a_missing_container_is_403_for_the_token_and_500_for_root() {
    let node = Node::start().await;
    let token = node.call("GET", "/nodes/pve/lxc/100/config", &[]).await;
    assert_eq!(
        (token.status, token.message()),
        (403, "Permission check failed (/vms/100, VM.Audit)")
    );
    let root = node.as_root("GET", "/nodes/pve/lxc/100/config", &[]).await;
    assert_eq!(
        (root.status, root.message()),
        (
            500,
            "Configuration file 'nodes/pve/lxc/100.conf' does not exist"
        )
    );
}

#[tokio::test]
async fn every_privilege_of_a_create_is_asked_for() {
    let node = Node::start().await;
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("pool", "")], "Permission check failed"),
        (
            &[("pool", "nowhere")],
            "Permission check failed (pool 'nowhere' does not exist)",
        ),
        (
            &[("net0", "name=eth0,bridge=vmbr9")],
            "Permission check failed (/sdn/zones/localnetwork/vmbr9, SDN.Use)",
        ),
        (
            &[("tags", "lease")],
            "Permission check failed (/vms/100, VM.Config.Options)",
        ),
        (
            &[("unprivileged", "0")],
            "Permission check failed (/, Sys.Modify)",
        ),
        (
            &[("features", "nesting=1,keyctl=1")],
            "Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)",
        ),
        (
            &[("hookscript", "local:snippets/x")],
            "Permission check failed (changing the hookscript is only allowed for root@pam)",
        ),
        (
            &[("mp0", "/srv,mp=/srv")],
            "Permission check failed (mount point type bind is only allowed for root@pam)",
        ),
    ];
    for (change, text) in cases {
        let reply = node.create(100, change).await;
        assert_eq!((reply.status, reply.message()), (403, *text), "{change:?}");
    }
    assert!(node.sim.containers().is_empty());

    node.sim.revoke("/storage/local-lvm", "infra402@pve");
    let reply = node.create(100, &[]).await;
    assert_eq!(
        reply.message(),
        "Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)"
    );
    node.sim.revoke("/storage/local", "infra402@pve");
    let reply = node.create(100, &[]).await;
    assert_eq!(
        reply.message(),
        "Permission check failed (/storage/local, Datastore.AllocateSpace|Datastore.Audit)"
    );
    node.sim
        .set_role("Infra402Guest", &["VM.Allocate", "VM.Config.Disk"]);
    let reply = node.create(100, &[("hostname", "web")]).await;
    assert_eq!(
        reply.message(),
        "Permission check failed (/vms/100, VM.Config.Network)"
    );
}

#[tokio::test]
async fn an_operators_container_is_out_of_reach() {
    let node = Node::start().await;
    node.sim.put_foreign_container(100, "mail");
    for (method, path) in [
        ("GET", "/nodes/pve/lxc/100/config"),
        ("POST", "/nodes/pve/lxc/100/status/stop"),
        ("DELETE", "/nodes/pve/lxc/100"),
        ("PUT", "/nodes/pve/lxc/100/config"),
    ] {
        assert_eq!(
            node.call(method, path, &[]).await.status,
            403,
            "{method} {path}"
        );
    }
    assert_eq!(
        node.call("GET", "/cluster/resources", &[("type", "vm")])
            .await
            .data(),
        &json!([])
    );
    let taken = node
        .call("GET", "/cluster/nextid", &[("vmid", "100")])
        .await;
    assert_eq!(
        taken.body["errors"],
        json!({"vmid": "VM 100 already exists"})
    );
    assert_eq!(node.sim.container(100).unwrap().status, "running");
}

#[tokio::test]
async fn bad_credentials_get_an_empty_401_after_a_delay() {
    let node = Node::with(|config| config.auth_failure_delay = Duration::from_secs(80)).await;
    let begun = std::time::Instant::now();
    let nobody = send(node.request("GET", "/version")).await;
    assert!(begun.elapsed() >= Duration::from_millis(80));
    assert_eq!(
        (nobody.status, nobody.reason.as_str(), nobody.body),
        (401, "No ticket", json!(null))
    );
    let header = format!("PVEAPIToken={}=wrong", node.sim.token_id());
    let wrong = send(
        node.request("GET", "/version")
            .header("Authorization", header),
    )
    .await;
    assert_eq!(
        (wrong.status, wrong.reason.as_str(), wrong.body),
        (401, "Authentication failed!", json!(null))
    );
}

#[tokio::test]
async fn a_ticket_needs_its_csrf_token_to_write_and_ends_after_two_hours() {
    let node = Node::start().await;
    let login = node.login("root@pam", &node.sim.root_password()).await;
    let ticket = login.data()["ticket"].as_str().unwrap().to_owned();
    let cookie = format!("PVEAuthCookie={ticket}");
    let read = send(node.request("GET", "/nodes").header("Cookie", &cookie)).await;
    assert_eq!(read.status, 200);
    let write = send(
        node.request("POST", "/nodes/pve/lxc")
            .header("Cookie", &cookie)
            .form(&[("vmid", "100")]),
    )
    .await;
    assert_eq!(
        (write.status, write.reason.as_str()),
        (401, "Permission denied - invalid csrf token")
    );

    node.sim.advance_clock(Duration::from_secs(7190));
    let renewed = node.login("root@pam", &ticket).await;
    assert_eq!(renewed.status, 200);
    node.sim.advance_clock(Duration::from_secs(20));
    let stale = send(node.request("GET", "/nodes").header("Cookie", &cookie)).await;
    assert_eq!(stale.status, 401);
    assert_eq!(
        node.as_ticket(&renewed, "GET", "/nodes", &[]).await.status,
        200
    );
}

#[tokio::test]
async fn a_cookie_wins_over_a_token() {
    let node = Node::start().await;
    let request = node
        .request("GET", "/version")
        .header("Authorization", node.authorization())
        .header("Cookie", "PVEAuthCookie=stale");
    assert_eq!(send(request).await.status, 401);
}

#[tokio::test]
async fn logging_in_is_for_people_with_the_right_password() {
    let node = Node::start().await;
    for (user, password) in [
        ("root@pam", "wrong"),
        ("infra402@pve", ""),
        ("nobody@pve", "x"),
    ] {
        let reply = node.login(user, password).await;
        assert_eq!(
            (reply.status, reply.reason.as_str()),
            (401, "authentication failure"),
            "{user}"
        );
        assert_eq!(reply.body["data"], json!(null));
    }
    let by_token = node.call(
        "POST",
        "/access/ticket",
        &[("username", "a@pve"), ("password", "x")],
    );
    let reply = by_token.await;
    assert_eq!(
        (reply.status, reply.message()),
        (
            403,
            "Permission check failed (URI '/access/ticket' not available with API token, need proper ticket."
        )
    );
    let reply = node.login("a b", "x").await;
    assert_eq!(
        reply.body["errors"]["username"],
        "invalid format - value 'a b' does not look like a valid user name\n"
    );
    let console = node
        .login(&node.sim.console_user(), &node.sim.console_password())
        .await;
    assert_eq!(console.data()["username"], node.sim.console_user());
}

#[tokio::test]
async fn permissions_show_pool_and_members_with_their_propagate_flags() {
    let node = Node::start().await;
    node.container(100).await;
    let reply = node.call("GET", "/access/permissions", &[]).await;
    let data = reply.data();
    assert_eq!(data["/pool/infra402"]["VM.Allocate"], 1);
    assert_eq!(data["/vms/100"]["VM.Console"], 0);
    assert_eq!(data["/sdn/zones/localnetwork/vmbr0"]["SDN.Use"], 1);
    assert!(data.get("/vms").is_none());
    let one = node
        .call("GET", "/access/permissions", &[("path", "/nodes/pve")])
        .await;
    assert_eq!(one.data(), &json!({"/nodes/pve": {"Sys.Audit": 1}}));
}

#[tokio::test]
async fn a_separated_token_without_rules_of_its_own_sees_empty_lists_and_no_errors() {
    let node = Node::with(|config| config.token_privsep = true).await;
    node.container(100).await;
    node.sim.revoke("/pool/infra402", "infra402@pve!svc");
    let list = node.call("GET", "/nodes/pve/lxc", &[]).await;
    assert_eq!(list.data(), &json!([]));
}

#[tokio::test]
async fn rights_end_with_the_container() {
    let node = Node::start().await;
    node.container(100).await;
    node.sim.grant("/vms/100", "infra402@pve", "PVEVMUser");
    let destroy = node.as_root("DELETE", "/nodes/pve/lxc/100", &[]).await;
    let upid = destroy.data().as_str().unwrap().to_owned();
    assert_eq!(exit_of(&node, |task| task.upid == upid).await, "OK");
    let reply = node
        .call("GET", "/access/permissions", &[("path", "/vms/100")])
        .await;
    assert_eq!(reply.data(), &json!({"/vms/100": {}}));
}
