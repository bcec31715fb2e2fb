//! Storages, templates, networks and accounts of a misconfigured host.

use pve_sim::{StorageConfig, TemplateConfig, VnetConfig};
use serde_json::{Value, json};

use crate::client::{DEBIAN, Node};

const ALPINE: &str = "local:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz";

fn names<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|one| one[field].as_str().unwrap())
        .collect()
}

/// A node with a second one and a file server for templates.
async fn with_nas() -> Node {
    Node::with(|config| {
        config.nodes = vec!["pve".into(), "two".into()];
        config.storages.push(StorageConfig {
            name: "nas".into(),
            kind: "nfs".into(),
            shared: true,
            ..StorageConfig::default()
        });
        config
            .templates
            .push(TemplateConfig::new("nas:vztmpl/a_1-1_amd64.tar.zst"));
    })
    .await
}

#[tokio::test]
async fn a_storage_that_is_away_is_listed_as_such_and_gives_nothing() {
    let node = with_nas().await;
    let templates = [("content", "vztmpl"), ("enabled", "1")];
    let content = "/nodes/pve/storage/nas/content";
    assert_eq!(
        node.call("GET", content, &[])
            .await
            .data()
            .as_array()
            .unwrap()
            .len(),
        1
    );

    node.sim.set_storage_active("nas", false);
    let list = node.call("GET", "/nodes/pve/storage", &templates).await;
    let nas = &list.data()[1];
    assert_eq!(
        (
            &nas["storage"],
            &nas["active"],
            &nas["enabled"],
            &nas["total"]
        ),
        (&json!("nas"), &json!(0), &json!(1), &json!(0))
    );
    let reply = node.call("GET", content, &[("content", "vztmpl")]).await;
    assert_eq!(
        (reply.status, reply.message()),
        (500, "storage 'nas' is not online")
    );

    node.sim.set_storage_active("nas", true);
    node.sim.set_storage_failing("nas", true);
    let list = node.call("GET", "/nodes/pve/storage", &templates).await;
    assert_eq!(list.data()[1]["active"], 1);
    assert_eq!(node.call("GET", content, &[]).await.status, 500);

    node.sim.set_storage_enabled("nas", false);
    let list = node.call("GET", "/nodes/pve/storage", &templates).await;
    assert_eq!(names(list.data(), "storage"), ["local"]);
    let reply = node.call("GET", content, &[]).await;
    assert_eq!(
        (reply.status, reply.message()),
        (500, "storage 'nas' is disabled")
    );
}

#[tokio::test]
async fn a_storage_of_some_nodes_is_left_out_only_where_content_is_asked_for() {
    let node = with_nas().await;
    node.sim.set_storage_nodes("nas", &["two"]);
    let all = node
        .call("GET", "/nodes/pve/storage", &[("enabled", "1")])
        .await;
    let nas = all
        .data()
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["storage"] == "nas");
    assert_eq!(
        (&nas.unwrap()["enabled"], &nas.unwrap()["active"]),
        (&json!(0), &json!(0))
    );
    for (name, expected) in [("pve", vec!["local"]), ("two", vec!["local", "nas"])] {
        let path = format!("/nodes/{name}/storage");
        let list = node.call("GET", &path, &[("content", "vztmpl")]).await;
        assert_eq!(names(list.data(), "storage"), expected, "{name}");
    }
    let reply = node
        .call("GET", "/nodes/pve/storage/nas/content", &[])
        .await;
    assert_eq!(
        reply.message(),
        "storage 'nas' is not available on node 'pve'"
    );
}

#[tokio::test]
async fn a_template_of_one_node_makes_containers_there_only() {
    let node = with_nas().await;
    node.sim.remove_template(ALPINE);
    node.sim.add_template(ALPINE, &["two"]);
    let alpine = [("ostemplate", ALPINE)];
    let failed = node.create(100, &alpine).await;
    assert_eq!(
        node.finish(&failed).await,
        format!("unable to create CT 100 - volume '{ALPINE}' does not exist")
    );
    let content = node
        .call("GET", "/nodes/two/storage/local/content", &[])
        .await;
    assert_eq!(names(content.data(), "volid"), [ALPINE, DEBIAN]);

    node.sim.set_storage_nodes("local-lvm", &["two"]);
    let refused = node.create(100, &[]).await;
    assert_eq!(
        (refused.status, refused.message()),
        (500, "storage 'local-lvm' is not available on node 'pve'")
    );
}

#[tokio::test]
async fn a_vnet_is_seen_and_used_by_the_rights_on_its_zone() {
    let node = Node::with(|config| {
        config.bridge = "i402net".into();
        config.vnets = vec![VnetConfig {
            vnet: "i402net".into(),
            zone: "i402".into(),
        }];
    })
    .await;
    let net = [("net0", "name=eth0,bridge=i402net,ip=dhcp")];
    let vnets = node.call("GET", "/cluster/sdn/vnets", &[]).await;
    assert_eq!(vnets.data()[0]["zone"], "i402");
    let any = [("type", "any_bridge")];
    let listed = node.call("GET", "/nodes/pve/network", &any).await;
    assert_eq!(names(listed.data(), "iface"), ["i402net"]);

    let user = "infra402@pve";
    node.sim.revoke("/sdn/zones/i402/i402net", user);
    node.sim
        .grant("/sdn/zones/localnetwork/i402net", user, "PVESDNUser");
    let refused = node.create(100, &net).await;
    assert_eq!(
        (refused.status, refused.message()),
        (
            403,
            "Permission check failed (/sdn/zones/i402/i402net, SDN.Use)"
        )
    );
    for path in ["/cluster/sdn/vnets", "/cluster/sdn/zones"] {
        let list = node.call("GET", path, &[]).await;
        assert_eq!(list.data(), &json!([]), "{path}");
    }
    let listed = node.call("GET", "/nodes/pve/network", &any).await;
    assert_eq!(listed.data(), &json!([]));
}

#[tokio::test]
async fn a_path_without_rights_is_left_out_of_the_list_and_empty_when_asked_for() {
    let node = Node::start().await;
    let user = "infra402@pve";
    node.sim.grant("/storage", user, "PVEDatastoreUser");
    node.sim.grant("/storage/local", user, "NoAccess");
    let all = node.call("GET", "/access/permissions", &[]).await;
    assert!(all.data().get("/storage/local").is_none() && all.data().get("/storage").is_some());
    let path = [("path", "/storage/local")];
    let one = node.call("GET", "/access/permissions", &path).await;
    assert_eq!(one.data(), &json!({"/storage/local": {}}));
    node.sim.revoke_role("/storage/local", user, "NoAccess");
    let one = node.call("GET", "/access/permissions", &path).await;
    assert_eq!(one.data()["/storage/local"]["Datastore.Audit"], 1);
}

#[tokio::test]
async fn a_second_factor_gives_half_a_ticket() {
    let node = Node::start().await;
    let (user, password) = (node.sim.console_user(), node.sim.console_password());
    node.sim.require_second_factor(&user);
    let login = node.login(&user, &password).await;
    assert_eq!(login.data()["NeedTFA"], 1);
    assert_eq!(node.login(&user, "wrong").await.status, 401);
    assert_eq!(
        node.as_ticket(&login, "GET", "/version", &[]).await.status,
        401
    );
}

#[tokio::test]
async fn the_index_of_templates_is_there_for_everybody() {
    let node = Node::start().await;
    let index = node.call("GET", "/nodes/pve/aplinfo", &[]).await;
    let entry = index
        .data()
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["template"] == "debian-13-standard_13.1-2_amd64.tar.zst");
    let entry = entry.unwrap();
    assert_eq!(
        (&entry["section"], &entry["architecture"]),
        (&json!("system"), &json!("amd64"))
    );
}

#[tokio::test]
async fn a_pool_below_another_needs_that_one_first() {
    let node = Node::start().await;
    assert!(
        node.sim
            .add_pool("a/b")
            .unwrap_err()
            .contains("parent 'a' of pool 'a/b'")
    );
    node.sim.add_pool("a").unwrap();
    node.sim.add_pool("a/b").unwrap();
    assert!(
        node.sim
            .add_pool("a/b")
            .unwrap_err()
            .contains("already exists")
    );
}

#[tokio::test]
async fn the_interfaces_of_a_customers_programs_are_shown() {
    let node = Node::start().await;
    let created = node.create(100, &[]).await;
    assert_eq!(node.finish(&created).await, "OK");
    let started = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&started).await, "OK");
    node.sim
        .add_interface(100, "docker0", "02:42:00:00:00:01", "172.17.0.1/16");
    let list = node.call("GET", "/nodes/pve/lxc/100/interfaces", &[]).await;
    assert_eq!(names(list.data(), "name"), ["lo", "eth0", "docker0"]);
    assert_eq!(list.data()[2]["inet"], "172.17.0.1/16");
}
