//! The nodes, storages and templates for new containers where they differ between nodes, and the
//! messages about them before money moves.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation, Sim, SimConfig, StorageConfig, TemplateConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::guest::plain_shell;
use crate::{
    buyer::{Answer, Buyer, call},
    support::{TestApp, until},
};

const BOTH: [(&str, &str); 1] = [("PVE_NODE", "alpha,beta")];
const DEBIAN_13: &str = "debian-13-standard_13.1-2_amd64.tar.zst";

/// Two nodes with a file server for templates, and their own storages.
fn two_nodes() -> SimConfig {
    let mut config = SimConfig {
        nodes: vec!["alpha".into(), "beta".into()],
        time_scale: 0.002,
        shell: plain_shell(),
        ..SimConfig::default()
    };
    config.storages.push(StorageConfig {
        name: "nas".into(),
        kind: "nfs".into(),
        shared: true,
        content: vec!["vztmpl".into()],
        ..StorageConfig::default()
    });
    config
}

async fn on(config: SimConfig, more: &[(&str, &str)]) -> TestApp {
    let variables = [&BOTH[..], more].concat();
    TestApp::on(Sim::start(config).await.unwrap(), &variables).await
}

async fn get(app: &TestApp, path: &str) -> Answer {
    call(app, &Method::GET, path, None, &[]).await
}

fn names(catalog: &Answer) -> Vec<&str> {
    let templates = catalog.body["templates"].as_array().unwrap();
    templates
        .iter()
        .map(|template| template["name"].as_str().unwrap())
        .collect()
}

/// The check of that name in `/ready`, and whether all checks pass.
async fn ready(app: &TestApp, name: &str) -> (bool, Value) {
    let answer = get(app, "/ready").await;
    let checks = answer.body["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    (answer.status == 200, check.clone())
}

async fn leases(app: &TestApp, body: Value) -> Answer {
    let leased = Buyer::funded(app, 1).await.lease(app, body).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    leased
}

#[tokio::test]
async fn a_storage_of_templates_that_is_off_or_fails_stops_no_sale() {
    let break_it: [fn(&Sim); 3] = [
        |sim| sim.set_storage_active("nas", false),
        |sim| sim.set_storage_enabled("nas", false),
        |sim| sim.set_storage_failing("nas", true),
    ];
    for break_it in break_it {
        let mut config = two_nodes();
        let newest = format!("nas:vztmpl/{DEBIAN_13}");
        config.templates.push(TemplateConfig::new(&newest));
        let sim = Sim::start(config).await.unwrap();
        break_it(&sim);
        let app = TestApp::on(sim, &BOTH).await;
        let catalog = get(&app, "/catalog").await;
        assert_eq!(
            names(&catalog),
            ["debian-12-standard", "alpine-3.20-default"]
        );
        let (all, offer) = ready(&app, "offer").await;
        let said =
            json!({"name": "offer", "ok": true, "message": "2 of 2 templates can be leased"});
        assert_eq!((all, offer), (true, said));
        leases(&app, json!({"runtimeMinutes": 30})).await;
    }
}

#[tokio::test]
async fn a_node_that_is_off_or_silent_stops_no_sale() {
    // A service that starts now does not know what the node offered before.
    let gone = |sim: &Sim| sim.set_node_online("alpha", false);
    // The cluster has not noticed yet.
    let unreachable = |sim: &Sim| {
        let path = Operation::Path("/nodes/alpha/".into());
        sim.faults()
            .inject(Fault::always(path, FaultKind::Unreachable595));
    };
    let hangs = |sim: &Sim| {
        let path = Operation::Path("/nodes/alpha/".into());
        let late = FaultKind::Late(Duration::from_secs(30));
        sim.faults().inject(Fault::always(path, late));
    };
    let break_it: [fn(&Sim); 3] = [gone, unreachable, hangs];
    for break_it in break_it {
        let sim = Sim::start(two_nodes()).await.unwrap();
        break_it(&sim);
        let app = TestApp::on(sim, &BOTH).await;
        leases(&app, json!({"runtimeMinutes": 30})).await;
        assert_eq!(app.sim.containers()[0].node, "beta");
    }
}

#[tokio::test]
async fn a_lease_is_made_where_its_template_is() {
    let mut config = two_nodes();
    config.templates.push(TemplateConfig {
        nodes: vec!["beta".into()],
        ..TemplateConfig::new(&format!("local:vztmpl/{DEBIAN_13}"))
    });
    config.templates.push(TemplateConfig {
        nodes: vec!["alpha".into()],
        ..TemplateConfig::new("local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst")
    });
    let app = on(config, &[]).await;
    let catalog = get(&app, "/catalog").await;
    let left: Vec<_> = catalog.body["templates"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let left = |name: &str| {
        let one = left
            .iter()
            .find(|template| template["name"] == name)
            .unwrap();
        one["capacityLeft"].as_u64().unwrap()
    };
    let one_node = left("debian-13-standard");
    assert_eq!(left("ubuntu-24.04-standard"), one_node);
    assert_eq!(left("debian-12-standard"), 2 * one_node);
    assert_eq!(catalog.body["capacityLeft"], one_node);

    for (template, node) in [
        (None, "beta"),
        (Some("ubuntu-24.04-standard"), "alpha"),
        (Some("debian-13-standard"), "beta"),
    ] {
        let leased = leases(&app, json!({"runtimeMinutes": 30, "template": template})).await;
        let vmid = leased.body["ctid"].as_u64().unwrap();
        let made = app.sim.container(u32::try_from(vmid).unwrap()).unwrap();
        assert_eq!(made.node, node, "{template:?}");
    }
}

#[tokio::test]
async fn a_node_without_the_storage_for_disks_takes_no_container_and_does_not_count() {
    let lacking: [fn(&Sim); 2] = [
        |sim| sim.set_storage_nodes("local-lvm", &["beta"]),
        // The storage is inactive on all nodes that have it.
        |sim| sim.set_storage_active("local-lvm", false),
    ];
    let whole = on(two_nodes(), &[]).await;
    let whole = get(&whole, "/catalog").await.body["capacityLeft"].as_u64();
    let sim = Sim::start(two_nodes()).await.unwrap();
    lacking[0](&sim);
    let app = TestApp::on(sim, &BOTH).await;
    let left = get(&app, "/catalog").await.body["capacityLeft"].as_u64();
    assert_eq!(left, whole.map(|whole| whole / 2));
    leases(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(app.sim.containers()[0].node, "beta");

    let sim = Sim::start(two_nodes()).await.unwrap();
    lacking[1](&sim);
    let app = TestApp::on(sim, &BOTH).await;
    nothing_is_sold(
        &app,
        "no node that is online has a template and the storage for disks",
    )
    .await;
}

/// A customer is told before paying, and `/ready` reports it.
async fn nothing_is_sold(app: &TestApp, why: &str) {
    let (all, offer) = ready(app, "offer").await;
    let said = json!({"name": "offer", "ok": false, "message": why});
    assert_eq!((all, offer), (false, said));
    let catalog = get(app, "/catalog").await;
    assert_eq!(catalog.body["capacityLeft"], 0, "{:?}", catalog.body);
    let quote = call(app, &Method::POST, "/lease/quote", None, &[]).await;
    assert_eq!(quote.body["acceptable"], false, "{:?}", quote.body);
    let buyer = Buyer::funded(app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let refused = buyer.lease(app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(refused.status, 503, "{:?}", refused.body);
    assert_eq!(refused.body["error"]["retryable"], true);
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(app.sim.request_count("POST", "/lxc"), 0);
}

#[tokio::test]
async fn a_template_that_the_operator_named_and_no_node_has_is_not_sold() {
    let nowhere = [("PVE_OS_TEMPLATE", "local:vztmpl/nowhere_1_amd64.tar.zst")];
    let app = on(two_nodes(), &nowhere).await;
    let why = "no node that is online has a template and the storage for disks";
    nothing_is_sold(&app, why).await;
    let catalog = get(&app, "/catalog").await;
    assert_eq!(names(&catalog), ["nowhere"]);
    assert_eq!(catalog.body["templates"][0]["capacityLeft"], 0);
}

#[tokio::test]
async fn archives_and_appliances_are_sold_only_where_the_operator_names_them() {
    let files = [
        "postgres_17.tar",
        "debian-12-turnkey-wordpress_18.2-1_amd64.tar.gz",
        "proxmox-mail-gateway-9.0-standard_9.0-1_amd64.tar.zst",
    ];
    let mut config = two_nodes();
    let more = files.map(|file| TemplateConfig::new(&format!("local:vztmpl/{file}")));
    let newest = TemplateConfig::new(&format!("nas:vztmpl/{DEBIAN_13}"));
    config.templates.extend(more.into_iter().chain([newest]));
    let app = on(config.clone(), &[]).await;
    let catalog = get(&app, "/catalog").await;
    let sold = [
        "debian-13-standard",
        "debian-12-standard",
        "alpine-3.20-default",
    ];
    assert_eq!(names(&catalog), sold);
    assert_eq!(catalog.body["templates"][0]["default"], true);
    let body = json!({"runtimeMinutes": 30, "template": format!("local:vztmpl/{}", files[0])});
    let refused = call(&app, &Method::POST, "/lease/container", Some(&body), &[]).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (400, "invalid_request")
    );

    config
        .templates
        .retain(|template| template.volid.contains("turnkey"));
    let none = on(config.clone(), &[]).await;
    nothing_is_sold(&none, "no template can be used").await;
    let named = format!("local:vztmpl/{}", files[1]);
    let app = on(config, &[("PVE_OS_TEMPLATE", &named)]).await;
    assert_eq!(
        names(&get(&app, "/catalog").await),
        ["debian-12-turnkey-wordpress"]
    );
    leases(&app, json!({"runtimeMinutes": 30})).await;
}

#[tokio::test]
async fn the_address_of_a_lease_is_never_that_of_a_program_inside() {
    let mut config = two_nodes();
    // Two seconds, in which Docker has its address and the network has given none yet.
    config.address_delay = Duration::from_secs(1000);
    let app = on(config, &[]).await;
    let docker = async {
        let made = async || app.sim.containers().first().map(|made| made.vmid);
        let vmid = until("the container to be made", made).await;
        let address = "172.17.0.1/16";
        app.sim
            .add_interface(vmid, "docker0", "02:42:00:00:00:01", address);
    };
    let (leased, ()) = tokio::join!(leases(&app, json!({"runtimeMinutes": 30})), docker);
    let ip = leased.body["ip"].as_str().unwrap();
    assert!(!ip.starts_with("172.17."), "{ip}");
}
