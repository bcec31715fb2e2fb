//! Tenants are strangers: every container is behind its fence before its first start, or is not
//! sold.

mod addresses;
mod fence;

use pve_sim::{Sim, SimConfig};
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer},
    guest::plain_shell,
    support::TestApp,
};

pub const NETWORK: (&str, &str) = ("PVE_NETWORK", "10.64.0.0/28");

/// A service with a network of its own, on a host whose firewall is on.
pub async fn fenced(more: &[(&str, &str)]) -> TestApp {
    let app = unfenced(&[&[NETWORK], more].concat()).await;
    app.sim.set_firewall(true);
    app.sim.add_security_group("infra402");
    app
}

pub async fn unfenced(more: &[(&str, &str)]) -> TestApp {
    let config = SimConfig {
        time_scale: 0.002,
        shell: plain_shell(),
        nodes: vec!["pve".into(), "pve2".into()],
        ..SimConfig::default()
    };
    let more = [&[("PVE_NODE", "auto")], more].concat();
    TestApp::on(Sim::start(config).await.unwrap(), &more).await
}

pub async fn lease(app: &TestApp, number: u64) -> Answer {
    let buyer = Buyer::funded(app, number).await;
    buyer
        .lease(app, json!({"runtimeMinutes": 30, "cores": 2}))
        .await
}

pub fn ctid(leased: &Answer) -> u32 {
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap()
}

pub fn net0(app: &TestApp, vmid: u32) -> String {
    let config = app.sim.container(vmid).unwrap().config;
    config["net0"].as_str().unwrap().to_owned()
}

pub fn seconds(time: &Value) -> i64 {
    let time: api_types::Timestamp = serde_json::from_value(time.clone()).unwrap();
    i64::try_from(time.unix()).unwrap()
}

/// Checks that nothing is sold, made or charged.
pub async fn refused(app: &TestApp, number: u64) {
    let buyer = Buyer::funded(app, number).await;
    let before = app.balance(buyer.wallet()).await;
    let answer = buyer.lease(app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    assert!(
        answer.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("nothing was charged")
    );
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(app.sim.containers().len(), 0);
}
