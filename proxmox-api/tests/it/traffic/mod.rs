//! A container's traffic is counted across stops, moves and restarts. Above the included amount it
//! is slowed and cut off, until a renewal. Only its owner sees it.

mod ladder;
mod offer;
mod stop;
mod usage;

use crate::guest::plain_shell;
use proxmox_api::{ids::LeaseId, lease::comparing::reconcile};
use pve_sim::{Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    support::TestApp,
};

const GIB: u64 = 1 << 30;
/// More than a simulated container sends by itself during a test.
const BY_ITSELF: u64 = 60_000;

struct Tenant {
    buyer: Buyer,
    session: SignedIn,
    ctid: u32,
    lease_id: LeaseId,
}

async fn cluster(more: &[(&str, &str)]) -> TestApp {
    let config = SimConfig {
        time_scale: 0.002,
        shell: plain_shell(),
        nodes: vec!["pve".into(), "pve2".into()],
        ..SimConfig::default()
    };
    let variables = [&[("PVE_NODE", "auto")], more].concat();
    TestApp::on(Sim::start(config).await.unwrap(), &variables).await
}

/// A service that includes one GiB per hour.
async fn stingy() -> TestApp {
    cluster(&[("TRAFFIC_GIB_PER_HOUR", "1")]).await
}

async fn tenant(app: &TestApp, number: u64) -> Tenant {
    let buyer = Buyer::funded(app, number).await;
    let session = buyer.sign_in(app).await;
    let body = json!({"runtimeMinutes": 60, "diskGB": 2, "hostname": format!("box-{number}")});
    let leased = buyer.lease(app, body).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    Tenant {
        ctid: u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap(),
        lease_id: leased.body["leaseId"].as_str().unwrap().into(),
        buyer,
        session,
    }
}

impl Tenant {
    async fn usage(&self, app: &TestApp) -> Value {
        let path = format!("/lease/{}/usage", self.lease_id);
        let answer = self.session.get(app, &path).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body
    }

    /// Checks the counted traffic, apart from the traffic that containers send by themselves.
    async fn has_sent(&self, app: &TestApp, sent: u64, received: u64) {
        compare(app).await;
        let traffic = &self.usage(app).await["traffic"];
        for (what, expected) in [("sent", sent), ("received", received)] {
            let counted = traffic[what].as_u64().unwrap();
            let range = expected..expected + BY_ITSELF;
            assert!(
                range.contains(&counted),
                "{what}: {counted}, not {expected}"
            );
        }
    }

    /// Lets the container send this much, and counts it.
    async fn sends(&self, app: &TestApp, bytes: u64) {
        assert!(app.sim.add_traffic(self.ctid, 0, bytes), "its cable is out");
        compare(app).await;
    }

    fn net0(&self, app: &TestApp) -> String {
        let config = app.sim.container(self.ctid).unwrap().config;
        config["net0"].as_str().unwrap().to_owned()
    }

    /// A part of net0, such as `rate`.
    fn part(&self, app: &TestApp, name: &str) -> Option<String> {
        let net0 = self.net0(app);
        let mut parts = net0.split(',').filter_map(|part| part.split_once('='));
        parts
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    }

    async fn step(&self, app: &TestApp) -> String {
        let usage = self.usage(app).await;
        usage["traffic"]["step"].as_str().unwrap().to_owned()
    }

    async fn notice(&self, app: &TestApp) -> String {
        let view = self
            .session
            .get(app, &format!("/leases/{}", self.lease_id))
            .await;
        let list = self.session.get(app, "/leases").await;
        assert_eq!(list.body["leases"][0]["notice"], view.body["notice"]);
        view.body["notice"].as_str().unwrap_or_default().to_owned()
    }

    /// The events about its traffic.
    async fn trail(&self, app: &TestApp) -> Vec<String> {
        let events = app.app.store.events(&self.lease_id, 0, 1000).await.unwrap();
        let kinds = events.into_iter().map(|event| event.kind);
        kinds.filter(|kind| kind.starts_with("traffic_")).collect()
    }

    async fn renew(&self, app: &TestApp, minutes: u32) {
        let renewed = self.buyer.renew(app, self.ctid, minutes).await;
        assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    }

    async fn switch(&self, app: &TestApp, to: &str) {
        let path = format!("/lease/{}/{to}", self.ctid);
        let answer = self.session.call(app, Method::POST, &path).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
}

async fn compare(app: &TestApp) {
    reconcile::compare(&app.app).await.unwrap();
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

/// The value of a metric with these labels.
async fn metric(app: &TestApp, name: &str) -> Option<f64> {
    let answer = call(app, &Method::GET, "/metrics", None, &[]).await;
    let text = answer.body.as_str().unwrap().to_owned();
    let line = text.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(' '))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn traffic_is_counted_once_over_starts_moves_and_restarts_of_ours() {
    let mut app = cluster(&[]).await;
    let tenant = tenant(&app, 1).await;
    app.sim.add_traffic(tenant.ctid, 2_000_000, 1_000_000);
    tenant.has_sent(&app, 1_000_000, 2_000_000).await;
    tenant.has_sent(&app, 1_000_000, 2_000_000).await;

    // The container is stopped and started: its counters begin at zero.
    tenant.switch(&app, "stop").await;
    tenant.has_sent(&app, 1_000_000, 2_000_000).await;
    tenant.switch(&app, "start").await;
    app.sim.add_traffic(tenant.ctid, 0, 3_000_000);
    tenant.has_sent(&app, 4_000_000, 2_000_000).await;

    // The service is down, and the counters go on.
    app.sim.add_traffic(tenant.ctid, 500_000, 100_000);
    app.restart().await;
    tenant.has_sent(&app, 4_100_000, 2_500_000).await;

    // The container is moved to the other node, and started there.
    let other = match app.sim.container(tenant.ctid).unwrap().node.as_str() {
        "pve" => "pve2",
        _ => "pve",
    };
    app.sim.migrate(tenant.ctid, other);
    tenant.has_sent(&app, 4_100_000, 2_500_000).await;
    app.sim.add_traffic(tenant.ctid, 0, 200_000);
    tenant.has_sent(&app, 4_300_000, 2_500_000).await;
    assert_eq!(tenant.trail(&app).await, [""; 0]);
}
