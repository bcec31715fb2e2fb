//! Counters, history and pressure of containers; bridges, addresses and packages of nodes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Node;
use crate::operator::{finish, two_nodes};

const CONFIG: &str = "/nodes/pve/lxc/100/config";
const CURRENT: &str = "/nodes/pve/lxc/100/status/current";

async fn netin(node: &Node) -> u64 {
    node.call("GET", CURRENT, &[]).await.data()["netin"]
        .as_u64()
        .unwrap()
}

async fn net0(node: &Node) -> String {
    let config = node.call("GET", CONFIG, &[]).await;
    config.data()["net0"].as_str().unwrap().to_owned()
}

async fn set_net0(node: &Node, text: &str) {
    node.call("PUT", CONFIG, &[("net0", text)]).await.data();
}

async fn samples(node: &Node, vmid: u32) -> Vec<Value> {
    let path = format!("/nodes/pve/lxc/{vmid}/rrddata");
    let params = [("timeframe", "hour")];
    let reply = node.as_root("GET", &path, &params).await;
    reply.data().as_array().unwrap().clone()
}

/// The sum of the bytes in all samples.
fn moved(samples: &[Value], way: &str) -> f64 {
    let rates = samples.iter().filter_map(|one| one[way].as_f64());
    rates.map(|rate| rate * 60.0).sum()
}

#[tokio::test]
async fn counters_grow_while_it_runs_and_begin_again_at_every_start() {
    let node = Node::start().await;
    node.container(100).await;
    assert!(!node.sim.add_traffic(100, 5, 5), "it does not run");
    assert_eq!(netin(&node).await, 0);
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, "OK");
    node.sim.advance_clock(Duration::from_secs(100));
    let before = netin(&node).await;
    assert!(before >= 100 * 512, "{before}");
    assert!(node.sim.add_traffic(100, 1_000_000_000_000, 7));
    assert!(netin(&node).await >= before + 1_000_000_000_000);
    let reboot = node
        .call("POST", "/nodes/pve/lxc/100/status/reboot", &[])
        .await;
    assert_eq!(node.finish(&reboot).await, "OK");
    assert!(netin(&node).await < 100 * 512);
}

#[tokio::test]
async fn a_net0_without_its_hwaddr_gets_a_new_one_and_its_counters_begin_again() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.add_traffic(100, 1_000_000_000, 0);
    let before = net0(&node).await;
    // A limit alone leaves the interface as it is.
    set_net0(&node, &format!("{before},rate=0.1")).await;
    assert!(net0(&node).await.contains("rate=0.1"));
    assert!(netin(&node).await >= 1_000_000_000);
    set_net0(&node, "name=eth0,bridge=vmbr0,ip=dhcp").await;
    let after = net0(&node).await;
    let mac = |text: &str| {
        text.split("hwaddr=")
            .nth(1)
            .map(|rest| rest[..17].to_owned())
    };
    assert_ne!(mac(&after), mac(&before));
    assert!(netin(&node).await < 1_000_000_000);
}

#[tokio::test]
async fn nothing_passes_while_the_cable_is_out() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.add_traffic(100, 1_000_000, 0);
    let plugged = net0(&node).await;
    set_net0(&node, &format!("{plugged},link_down=1")).await;
    let cut = netin(&node).await;
    assert!(cut >= 1_000_000, "the counters go on from where they were");
    node.sim.advance_clock(Duration::from_secs(100));
    assert!(!node.sim.add_traffic(100, 1_000_000, 0));
    assert_eq!(netin(&node).await, cut);
    let interfaces = node.call("GET", "/nodes/pve/lxc/100/interfaces", &[]).await;
    assert!(!interfaces.data().to_string().contains("\"inet\":\"10."));
    set_net0(&node, &plugged).await;
    assert!(node.sim.add_traffic(100, 1_000_000, 0));
    assert!(netin(&node).await >= cut + 1_000_000);
}

#[tokio::test]
async fn the_history_of_a_number_outlives_its_container() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.add_traffic(100, 6_000_000, 3_000_000);
    node.sim.advance_clock(Duration::from_secs(120));
    let first = samples(&node, 100).await;
    let received = moved(&first, "netin");
    assert!((6_000_000.0..6_200_000.0).contains(&received), "{received}");
    let sent = moved(&first, "netout");
    assert!((3_000_000.0..3_100_000.0).contains(&sent), "{sent}");

    let destroy = node
        .call("DELETE", "/nodes/pve/lxc/100", &[("force", "1")])
        .await;
    assert_eq!(node.finish(&destroy).await, "OK");
    assert!(moved(&samples(&node, 100).await, "netin") >= received);
    let path = "/nodes/pve/lxc/100/rrddata";
    let gone = node.call("GET", path, &[("timeframe", "hour")]).await;
    assert_eq!(gone.status, 403);

    node.container(100).await;
    let next = node.call("GET", path, &[("timeframe", "hour")]).await;
    let next = next.data().as_array().unwrap();
    assert!(moved(next, "netin") >= received, "the next tenant sees it");
    node.sim.remove_container(100);
    node.container(200).await;
    assert_eq!(moved(&samples(&node, 200).await, "netin"), 0.0);
}

#[tokio::test]
async fn the_samples_of_every_span_add_up_to_the_same() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.add_traffic(100, 90_000_000, 0);
    node.sim.advance_clock(Duration::from_secs(3600));
    let path = "/nodes/pve/lxc/100/rrddata";
    for (timeframe, step) in [("hour", 60), ("day", 1800)] {
        let reply = node.call("GET", path, &[("timeframe", timeframe)]).await;
        let samples = reply.data().as_array().unwrap();
        assert_eq!(samples.len(), 70);
        let times: Vec<u64> = samples
            .iter()
            .map(|one| one["time"].as_u64().unwrap())
            .collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == step));
        let rates = samples.iter().filter_map(|one| one["netin"].as_f64());
        let moved: f64 = rates.map(|rate| rate * step as f64).sum();
        assert!(
            (90_000_000.0..92_000_000.0).contains(&moved),
            "{timeframe}: {moved}"
        );
    }
}

#[tokio::test]
async fn pressure_is_what_it_is_said_to_be_while_it_runs() {
    let node = Node::start().await;
    node.running(100).await;
    node.sim.set_pressure(100, "iofull", 87.5);
    let current = node.call("GET", CURRENT, &[]).await;
    assert_eq!(current.data()["pressureiofull"], "87.50");
    assert_eq!(current.data()["pressurecpusome"], "0.00");
    node.sim.kill_container(100);
    let stopped = node.call("GET", CURRENT, &[]).await;
    assert!(stopped.data().get("pressureiofull").is_none());
}

#[tokio::test]
async fn a_fixed_address_is_there_at_once_with_the_hosts_name_servers() {
    let node = Node::with(|config| config.address_delay = Duration::from_secs(1_000_000)).await;
    let fixed = "name=eth0,bridge=vmbr0,ip=10.64.0.9/20,gw=10.64.0.1,firewall=1,rate=12.5";
    let create = node.create(100, &[("net0", fixed)]).await;
    assert_eq!(node.finish(&create).await, "OK");
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, "OK");
    let interfaces = node.call("GET", "/nodes/pve/lxc/100/interfaces", &[]).await;
    assert_eq!(interfaces.data()[1]["inet"], "10.64.0.9/20");
    assert_eq!(node.sim.name_servers(100), ["192.168.1.1"]);
    let own = [("nameserver", "9.9.9.9 1.1.1.1")];
    node.call("PUT", CONFIG, &own).await.data();
    assert_eq!(node.sim.name_servers(100), ["9.9.9.9", "1.1.1.1"]);
}

#[tokio::test]
async fn bridges_show_the_hosts_own_address_to_those_who_may_use_them() {
    let node = Node::start().await;
    let bridges = async || {
        let params = [("type", "any_bridge")];
        let reply = node.call("GET", "/nodes/pve/network", &params).await;
        reply.data().clone()
    };
    let fresh = bridges().await;
    assert_eq!(fresh[0]["gateway"], "192.168.1.1");
    node.sim.add_bridge("vmbr0", None);
    node.sim.add_bridge("vmbr1", Some("10.64.0.1/20"));
    let changed = bridges().await;
    assert_eq!(changed.as_array().unwrap().len(), 1);
    assert!(changed[0].get("cidr").is_none());
    let path = "/sdn/zones/localnetwork/vmbr1";
    node.sim.grant(path, "infra402@pve", "PVESDNUser");
    let more = bridges().await;
    let expected = json!({"iface": "vmbr1", "cidr": "10.64.0.1/20", "bridge_ports": "none"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&more[1][key], value);
    }
}

#[tokio::test]
async fn a_vnet_that_a_node_lacks_is_not_listed_there_and_nothing_starts_on_it() {
    let node = Node::with(|config| {
        config.nodes = vec!["pve".into(), "pve2".into()];
        config.bridge = "i402net".into();
        config.vnets = vec![pve_sim::VnetConfig {
            vnet: "i402net".into(),
            zone: "i402".into(),
        }];
    })
    .await;
    node.sim.set_vnet_nodes("i402net", &["pve2"]);
    let params = [("type", "any_bridge")];
    for (name, count) in [("pve", 0), ("pve2", 1)] {
        let path = format!("/nodes/{name}/network");
        let reply = node.call("GET", &path, &params).await;
        assert_eq!(reply.data().as_array().unwrap().len(), count, "{name}");
    }
    let net = [("net0", "name=eth0,bridge=i402net,ip=10.64.0.9/20")];
    let create = node.create(100, &net).await;
    assert_eq!(node.finish(&create).await, "OK");
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(
        node.finish(&start).await,
        "startup for container '100' failed"
    );
    let log = node.sim.tasks().pop().unwrap().log;
    assert!(
        log.iter()
            .any(|line| line.contains("bridge 'i402net' does not exist"))
    );
    node.sim.migrate(100, "pve2");
    let start = node
        .call("POST", "/nodes/pve2/lxc/100/status/start", &[])
        .await;
    assert_eq!(finish(&node, &start).await, "OK");
}

#[tokio::test]
async fn a_package_can_be_made_old_on_one_node() {
    let node = two_nodes().await;
    node.sim.set_package("pve2", "pve-container", "6.0.15");
    node.sim
        .set_package("pve2", "proxmox-kernel-6.8.12-4-pve-signed", "6.8.12-4");
    node.sim.set_running_kernel("pve2", "6.8.12-4-pve");
    let of = async |name: &str, package: &str| {
        let path = format!("/nodes/{name}/apt/versions");
        let reply = node.call("GET", &path, &[]).await;
        let list = reply.data().as_array().unwrap().clone();
        list.into_iter().find(|one| one["Package"] == package)
    };
    let fresh = of("pve", "pve-container").await.unwrap();
    assert_eq!(fresh["OldVersion"], fresh["Version"]);
    let old = of("pve2", "pve-container").await.unwrap();
    assert_eq!(
        (&old["OldVersion"], &old["Version"]),
        (&json!("6.0.15"), &fresh["Version"])
    );
    let kernel = of("pve2", "proxmox-ve").await.unwrap();
    assert_eq!(kernel["RunningKernel"], "6.8.12-4-pve");
    assert!(
        of("pve2", "proxmox-kernel-6.8.12-4-pve-signed")
            .await
            .is_some()
    );
    assert!(
        of("pve", "proxmox-kernel-6.8.12-4-pve-signed")
            .await
            .is_none()
    );
    let absent = of("pve", "dnsmasq").await.unwrap();
    assert!(absent.get("OldVersion").is_none());
}

#[tokio::test]
async fn a_thin_pool_fills_up() {
    let node = Node::start().await;
    let total = 4096_u64 << 30;
    node.sim.set_storage_used("local-lvm", total / 10 * 9);
    node.container(100).await;
    let path = "/nodes/pve/storage/local-lvm/status";
    let status = node.call("GET", path, &[]).await;
    assert_eq!(status.data()["used"], total / 10 * 9 + (8 << 30));
    assert_eq!(status.data()["total"], total);
}
