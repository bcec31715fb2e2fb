//! A guest's firewall during the container's life, and the operator's settings.

use serde_json::{Value, json};

use crate::client::Node;
use crate::operator::{finish, two_nodes};

const OPTIONS: &str = "/nodes/pve/lxc/100/firewall/options";
const RULES: &str = "/nodes/pve/lxc/100/firewall/rules";

async fn fence(node: &Node, vmid: u32) {
    let path = format!("/nodes/pve/lxc/{vmid}/firewall");
    let options = [("enable", "1"), ("ipfilter", "1")];
    let options = node.call("PUT", &format!("{path}/options"), &options).await;
    assert!(options.data().is_null());
    let rule = [("type", "group"), ("action", "infra402"), ("enable", "1")];
    let rule = node.call("POST", &format!("{path}/rules"), &rule).await;
    assert!(rule.data().is_null());
}

fn rules(node: &Node, vmid: u32) -> Vec<(Value, Value)> {
    let file = node.sim.guest_firewall(vmid);
    let rules = file.map(|file| file.rules).unwrap_or_default();
    let pair = |rule: std::collections::BTreeMap<String, Value>| {
        (rule["action"].clone(), rule["enable"].clone())
    };
    rules.into_iter().map(pair).collect()
}

#[tokio::test]
async fn a_rule_goes_to_the_top_and_does_not_hold_unless_it_says_so() {
    let node = Node::start().await;
    node.container(100).await;
    fence(&node, 100).await;
    let silent = [("type", "out"), ("action", "DROP"), ("dest", "10.0.0.0/8")];
    node.call("POST", RULES, &silent).await.data();
    let expected = [(json!("DROP"), json!(0)), (json!("infra402"), json!(1))];
    assert_eq!(rules(&node, 100), expected);

    let list = node.call("GET", RULES, &[]).await;
    let first = &list.data()[0];
    assert_eq!((&first["pos"], &first["ipversion"]), (&json!(0), &json!(4)));
    let digest = first["digest"].as_str().unwrap().to_owned();
    let at = |pos: u32| format!("{RULES}/{pos}");
    let checked = [("digest", digest.as_str())];
    node.call("DELETE", &at(0), &checked).await.data();
    assert_eq!(rules(&node, 100), expected[1..]);
    let again = node.call("DELETE", &at(0), &checked).await;
    assert_eq!(again.status, 500);
    assert_eq!(rules(&node, 100), expected[1..]);
}

#[tokio::test]
async fn an_option_stays_until_it_is_changed_or_deleted() {
    let node = Node::start().await;
    node.container(100).await;
    fence(&node, 100).await;
    let digest = node.call("GET", OPTIONS, &[]).await.data()["digest"].clone();
    let change = [
        ("policy_in", "DROP"),
        ("delete", "ipfilter"),
        ("digest", digest.as_str().unwrap()),
    ];
    node.call("PUT", OPTIONS, &change).await.data();
    let options = node.sim.guest_firewall(100).unwrap().options;
    let options: Vec<_> = options.into_iter().collect();
    let expected = [("enable", json!(1)), ("policy_in", json!("DROP"))];
    assert_eq!(
        options,
        expected.map(|(name, value)| (name.to_owned(), value))
    );
}

#[tokio::test]
async fn a_container_cannot_be_fenced_before_its_creation_is_done() {
    let node = Node::start().await;
    node.sim.set_time_scale(0.3);
    let create = node.create(100, &[]).await;
    let early = node.call("PUT", OPTIONS, &[("enable", "1")]).await;
    assert_eq!(
        (early.status, early.message()),
        (403, "Permission check failed (/vms/100, VM.Config.Network)")
    );
    assert_eq!(node.finish(&create).await, "OK");
    fence(&node, 100).await;
    assert_eq!(rules(&node, 100).len(), 1);
}

#[tokio::test]
async fn a_guests_firewall_goes_with_its_container_and_not_to_the_next() {
    let node = two_nodes().await;
    node.container(100).await;
    fence(&node, 100).await;
    let fenced = node.sim.guest_firewall(100).unwrap();

    let params = [("newid", "200"), ("pool", "infra402")];
    let clone = node
        .as_root("POST", "/nodes/pve/lxc/100/clone", &params)
        .await;
    assert_eq!(finish(&node, &clone).await, "OK");
    assert_eq!(node.sim.guest_firewall(200).as_ref(), Some(&fenced));
    node.sim.clone_container(100, 300, None);
    assert_eq!(node.sim.guest_firewall(300).as_ref(), Some(&fenced));

    let backup = [("vmid", "100"), ("storage", "local")];
    let backup = node.as_root("POST", "/nodes/pve/vzdump", &backup).await;
    assert_eq!(finish(&node, &backup).await, "OK");
    let kept = node.sim.backup(100);

    node.sim.migrate(100, "pve2");
    assert_eq!(node.sim.guest_firewall(100).as_ref(), Some(&fenced));
    let start = node
        .call("POST", "/nodes/pve2/lxc/100/status/start", &[])
        .await;
    assert_eq!(finish(&node, &start).await, "OK");
    assert_eq!(node.sim.guest_firewall(100).as_ref(), Some(&fenced));

    let destroy = [("force", "1"), ("purge", "1")];
    let destroy = node.call("DELETE", "/nodes/pve2/lxc/100", &destroy).await;
    assert_eq!(finish(&node, &destroy).await, "OK");
    assert_eq!(node.sim.guest_firewall(100), None);
    node.container(100).await;
    assert_eq!(node.sim.guest_firewall(100), None);

    node.sim.restore(&kept, 100, Some("infra402"));
    assert_eq!(node.sim.guest_firewall(100).as_ref(), Some(&fenced));
}

#[tokio::test]
async fn a_group_that_is_removed_leaves_the_rule_that_names_it() {
    let node = Node::start().await;
    node.sim.add_security_group("infra402");
    node.container(100).await;
    fence(&node, 100).await;
    node.sim.remove_security_group("infra402");
    let groups = node.call("GET", "/cluster/firewall/groups", &[]).await;
    assert_eq!(groups.data(), &json!([]));
    assert_eq!(rules(&node, 100), [(json!("infra402"), json!(1))]);
}

#[tokio::test]
async fn the_operator_makes_a_group_switches_the_firewall_on_and_undoes_it() {
    let node = Node::start().await;
    let groups = "/cluster/firewall/groups";
    let group = "/cluster/firewall/groups/infra402";
    let made = [("group", "infra402"), ("comment", "tenants")];
    node.as_root("POST", groups, &made).await.data();
    for (action, dest) in [("DROP", "10.0.0.0/8"), ("ACCEPT", "10.64.0.1")] {
        let rule = [
            ("type", "out"),
            ("action", action),
            ("dest", dest),
            ("enable", "1"),
        ];
        node.as_root("POST", group, &rule).await.data();
    }
    let options = "/cluster/firewall/options";
    node.as_root("PUT", options, &[("enable", "1")])
        .await
        .data();

    // A right on the root of the tree alone shows the state to the token.
    node.sim.grant_here("/", "infra402@pve", "Infra402Node");
    assert_eq!(node.call("GET", options, &[]).await.data()["enable"], 1);
    let rules = node.call("GET", group, &[]).await;
    assert_eq!(rules.data()[0]["dest"], "10.64.0.1");
    assert_eq!(rules.data()[1]["dest"], "10.0.0.0/8");
    let elsewhere = node.call("GET", "/cluster/ha/resources", &[]).await;
    assert_eq!(elsewhere.status, 200);
    let below = node.call("GET", "/nodes/pve/lxc/777/config", &[]).await;
    assert_eq!(below.status, 403);

    let full = node.as_root("DELETE", group, &[]).await;
    assert_eq!(full.message(), "Security group 'infra402' is not empty");
    for _ in 0..2 {
        node.as_root("DELETE", &format!("{group}/0"), &[])
            .await
            .data();
    }
    node.as_root("DELETE", group, &[]).await.data();
    assert_eq!(node.call("GET", groups, &[]).await.data(), &json!([]));
}

#[tokio::test]
async fn a_node_tells_whether_its_firewall_is_on_and_by_which_service() {
    let node = two_nodes().await;
    let options = |name: &str| format!("/nodes/{name}/firewall/options");
    let fresh = node.call("GET", &options("pve2"), &[]).await;
    assert_eq!(fresh.data().as_object().unwrap().len(), 1);
    node.sim.set_node_firewall("pve2", false);
    node.sim.set_node_nftables("pve2", true);
    node.sim.set_firewall_running("pve2", false);
    let changed = node.call("GET", &options("pve2"), &[]).await;
    assert_eq!(
        (&changed.data()["enable"], &changed.data()["nftables"]),
        (&json!(0), &json!(1))
    );
    let fresh = node.call("GET", &options("pve"), &[]).await;
    assert_eq!(fresh.data().as_object().unwrap().len(), 1);
    for (name, state) in [("pve", "running"), ("pve2", "dead")] {
        let path = format!("/nodes/{name}/services/proxmox-firewall/state");
        assert_eq!(node.call("GET", &path, &[]).await.data()["state"], state);
    }
    let path = "/nodes/pve/services/nonsense/state";
    assert_eq!(node.call("GET", path, &[]).await.status, 400);
}

#[tokio::test]
async fn the_firewall_and_the_history_are_kept_between_two_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let same = file.clone();
    let node = Node::with(|config| config.state_file = Some(file)).await;
    node.sim.set_firewall(true);
    node.sim.add_security_group("infra402");
    node.running(100).await;
    fence(&node, 100).await;
    node.sim.add_traffic(100, 1_000_000, 0);
    let fenced = node.sim.guest_firewall(100);
    node.sim.stop().await;

    let node = Node::with(|config| config.state_file = Some(same)).await;
    assert_eq!(node.sim.guest_firewall(100), fenced);
    let groups = node.call("GET", "/cluster/firewall/groups", &[]).await;
    assert_eq!(groups.data()[0]["group"], "infra402");
    let current = node
        .call("GET", "/nodes/pve/lxc/100/status/current", &[])
        .await;
    assert!(current.data()["netin"].as_u64().unwrap() >= 1_000_000);
}
