//! The ordinary life of a container.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Node;

#[tokio::test]
async fn a_container_lives_its_whole_life_by_token() {
    let node = Node::start().await;
    let next = node.call("GET", "/cluster/nextid", &[]).await;
    assert_eq!(next.data(), &json!("100"));

    let create = node
        .create(
            100,
            &[
                ("hostname", "web"),
                ("cores", "2"),
                ("memory", "1024"),
                ("description", "mine"),
                ("cmode", "shell"),
            ],
        )
        .await;
    assert!(
        create
            .data()
            .as_str()
            .unwrap()
            .contains(":vzcreate:100:infra402@pve!svc:")
    );
    assert_eq!(node.finish(&create).await, "OK");

    let stopped = node.call("GET", "/nodes/pve/lxc/100/interfaces", &[]).await;
    assert_eq!(stopped.data(), &Value::Null);
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, "OK");

    let current = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    let data = current.data();
    assert_eq!(data["status"], "running");
    assert_eq!(data["name"], "web");
    assert_eq!(data["cpus"], 2);
    assert_eq!(data["maxmem"], 1_073_741_824_u64);
    assert_eq!(data["ha"], json!({"managed": 0}));

    let config = node.call("GET", "/nodes/pve/lxc/100/config", &[]).await;
    let data = config.data();
    assert_eq!(data["description"], "mine\n");
    assert_eq!(data["rootfs"], "local-lvm:vm-100-disk-0,size=8G");
    let net = data["net0"].as_str().unwrap();
    let (start, rest) = net.split_at("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:".len());
    assert_eq!(start, "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:");
    assert_eq!(&rest["00:00:00".len()..], ",ip=dhcp,type=veth");
    assert_eq!(data["digest"].as_str().unwrap().len(), 40);
    assert!(data.get("lock").is_none());

    let address = address(&node, 100).await;
    assert!(address.starts_with("10."), "{address}");

    let list = node.call("GET", "/nodes/pve/lxc", &[]).await;
    assert_eq!(list.data().as_array().unwrap().len(), 1);
    let overview = node
        .call("GET", "/cluster/resources", &[("type", "vm")])
        .await;
    assert_eq!(overview.data()[0]["pool"], "infra402");
    assert_eq!(overview.data()[0]["id"], "lxc/100");
    let pool = node
        .call("GET", "/pools", &[("poolid", "infra402"), ("type", "lxc")])
        .await;
    assert_eq!(pool.data()[0]["members"][0]["vmid"], 100);

    let refused = node.call("DELETE", "/nodes/pve/lxc/100", &[]).await;
    assert_eq!(refused.status, 500);
    assert_eq!(
        refused.message(),
        "unable to destroy CT 100 - container is running"
    );

    let shutdown = node
        .call(
            "POST",
            "/nodes/pve/lxc/100/status/shutdown",
            &[("timeout", "20"), ("forceStop", "1")],
        )
        .await;
    assert_eq!(node.finish(&shutdown).await, "OK");
    let again = node
        .call("POST", "/nodes/pve/lxc/100/status/stop", &[])
        .await;
    assert_eq!((again.status, again.message()), (500, "CT 100 not running"));

    let destroy = node
        .call(
            "DELETE",
            "/nodes/pve/lxc/100",
            &[("purge", "1"), ("force", "1")],
        )
        .await;
    assert_eq!(node.finish(&destroy).await, "OK");
    assert!(node.sim.containers().is_empty());
    assert_eq!(node.call("GET", "/cluster/nextid", &[]).await.data(), "100");
    node.sim.stop().await;
}

/// Polls the interfaces as a client does, until there is a routable IPv4 address.
async fn address(node: &Node, vmid: u32) -> String {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let reply = node
            .call("GET", &format!("/nodes/pve/lxc/{vmid}/interfaces"), &[])
            .await;
        let found = reply.data().as_array().and_then(|list| {
            list.iter().find(|one| one["name"] != "lo")?["inet"]
                .as_str()
                .map(str::to_owned)
        });
        if let Some(address) = found {
            return address;
        }
        assert!(Instant::now() < deadline, "no address: {reply:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn an_address_comes_late_and_link_local_first() {
    let node = Node::with(|config| config.address_delay = Duration::from_secs(1_000_000)).await;
    node.running(100).await;
    let reply = node.call("GET", "/nodes/pve/lxc/100/interfaces", &[]).await;
    let names: Vec<&str> = reply
        .data()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["lo", "eth0"]);
    assert_eq!(reply.data()[1].get("inet"), None);
    node.sim.set_address(100, "10.9.8.7/24");
    let reply = node.call("GET", "/nodes/pve/lxc/100/interfaces", &[]).await;
    assert_eq!(reply.data()[1]["inet"], "10.9.8.7/24");
    assert_eq!(
        reply.data()[1]["ip-addresses"][0],
        json!({"ip-address-type": "inet", "ip-address": "10.9.8.7", "prefix": 24})
    );
    assert!(
        reply.data()[1]["inet6"]
            .as_str()
            .unwrap()
            .starts_with("fe80::")
    );
}

#[tokio::test]
async fn a_container_that_ignores_shutdown_is_stopped_by_force() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.ignore_shutdown(100);
    let polite = node
        .call(
            "POST",
            "/nodes/pve/lxc/100/status/shutdown",
            &[("timeout", "5")],
        )
        .await;
    assert_eq!(node.finish(&polite).await, "container did not stop");
    assert_eq!(node.sim.container(100).unwrap().status, "running");
    let firm = node
        .call(
            "POST",
            "/nodes/pve/lxc/100/status/shutdown",
            &[("timeout", "5"), ("forceStop", "1")],
        )
        .await;
    assert_eq!(node.finish(&firm).await, "OK");
    assert_eq!(node.sim.container(100).unwrap().status, "stopped");
}

#[tokio::test]
async fn the_state_file_makes_the_same_cluster_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let node = Node::with(|config| config.state_file = Some(file.clone())).await;
    node.running(100).await;
    let (secret, fingerprint) = (node.sim.token_secret(), node.sim.fingerprint());
    node.sim.stop().await;

    let node = Node::with(|config| config.state_file = Some(file.clone())).await;
    assert_eq!(
        (node.sim.token_secret(), node.sim.fingerprint()),
        (secret, fingerprint)
    );
    let current = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert_eq!(current.data()["status"], "running");
    assert_eq!(
        node.sim.container(100).unwrap().pool.as_deref(),
        Some("infra402")
    );
    node.sim.stop().await;

    std::fs::write(&file, "{").unwrap();
    let broken = pve_sim::Sim::start(pve_sim::SimConfig {
        state_file: Some(file),
        ..pve_sim::SimConfig::default()
    });
    assert!(
        broken
            .await
            .err()
            .unwrap()
            .to_string()
            .contains("no state file")
    );
}

#[tokio::test]
async fn what_is_read_about_the_node_is_where_clients_look_for_it() {
    let node = Node::start().await;
    node.running(100).await;
    let nodes = node.call("GET", "/nodes", &[]).await;
    assert_eq!(nodes.data()[0]["status"], "online");
    assert_eq!(nodes.data()[0]["ssl_fingerprint"], node.sim.fingerprint());
    let status = node.call("GET", "/nodes/pve/status", &[]).await;
    assert!(status.data()["memory"]["used"].as_u64().unwrap() > 0);
    assert!(status.data()["rootfs"]["avail"].is_u64());
    assert!(status.data().get("maxmem").is_none());
    assert!(status.data()["loadavg"][0].is_string());
    let storage = node
        .call(
            "GET",
            "/nodes/pve/storage",
            &[("content", "rootdir"), ("enabled", "1")],
        )
        .await;
    assert_eq!(storage.data()[0]["storage"], "local-lvm");
    assert_eq!(storage.data()[0]["used"], 8_u64 << 30);
    let templates = node
        .call(
            "GET",
            "/nodes/pve/storage/local/content",
            &[("content", "vztmpl")],
        )
        .await;
    let debian = templates
        .data()
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["volid"] == crate::client::DEBIAN);
    assert_eq!(debian.unwrap()["format"], "tzst");
    let rrd = node
        .call(
            "GET",
            "/nodes/pve/lxc/100/rrddata",
            &[("timeframe", "hour")],
        )
        .await;
    assert_eq!(rrd.data().as_array().unwrap().len(), 70);
    let version = node.call("GET", "/version", &[]).await;
    assert!(version.data()["release"].is_string());
}

#[tokio::test]
async fn the_overview_lags_behind_as_far_as_it_was_told_to() {
    let node = Node::with(|config| config.resource_lag = Duration::from_secs(100_000)).await;
    node.running(100).await;
    let overview = node
        .call("GET", "/cluster/resources", &[("type", "vm")])
        .await;
    assert_eq!(overview.data()[0]["status"], "unknown");
    assert!(overview.data()[0].get("name").is_none());
    node.sim.advance_clock(Duration::from_secs(200));
    let overview = node
        .call("GET", "/cluster/resources", &[("type", "vm")])
        .await;
    assert_eq!(overview.data()[0]["status"], "running");
    let stop = node
        .call("POST", "/nodes/pve/lxc/100/status/stop", &[])
        .await;
    assert_eq!(node.finish(&stop).await, "OK");
    let overview = node
        .call("GET", "/cluster/resources", &[("type", "vm")])
        .await;
    assert_eq!(overview.data()[0]["status"], "running");
    let live = node.call("GET", "/nodes/pve/lxc", &[]).await;
    assert_eq!(live.data()[0]["status"], "stopped");
}
