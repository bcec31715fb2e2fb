//! What a container sends is counted over everything that happens to it, and has its price: slowed, cut off, and let go by a
//! renewal. Nobody else sees it.

use std::time::Duration;

use proxmox_api::lease::reconcile;
use pve_sim::{Fault, FaultKind, Operation, ShellMode, Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};
use service::clock::Clock as _;

use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    support::{TestApp, until},
};

const GIB: u64 = 1 << 30;
/// More than what a simulated container sends by itself during a test.
const BY_ITSELF: u64 = 60_000;

struct Tenant {
    buyer: Buyer,
    session: SignedIn,
    ctid: u32,
    lease_id: String,
}

async fn cluster(more: &[(&str, &str)]) -> TestApp {
    let config = SimConfig {
        time_scale: 0.002,
        shell: ShellMode::Toy,
        nodes: vec!["pve".into(), "pve2".into()],
        ..SimConfig::default()
    };
    let variables = [&[("PVE_NODE", "auto")], more].concat();
    TestApp::on(Sim::start(config).await.unwrap(), &variables).await
}

/// A service that includes a GiB in an hour.
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
        lease_id: leased.body["leaseId"].as_str().unwrap().to_owned(),
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

    /// What is counted, beside what containers send by themselves.
    async fn has_sent(&self, app: &TestApp, sent: u64, received: u64) {
        look(app).await;
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

    /// Sends so much, which is counted.
    async fn sends(&self, app: &TestApp, bytes: u64) {
        assert!(app.sim.add_traffic(self.ctid, 0, bytes), "its cable is out");
        look(app).await;
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

    /// The events of its traffic.
    async fn trail(&self, app: &TestApp) -> Vec<String> {
        let events = app.app.store.events(&self.lease_id, 0, 1000).await.unwrap();
        let kinds = events.into_iter().map(|event| event.kind);
        kinds.filter(|kind| kind.starts_with("traffic_")).collect()
    }

    async fn renew(&self, app: &TestApp, minutes: u32) {
        let path = format!("/lease/{}/renew", self.ctid);
        let body = json!({"runtimeMinutes": minutes});
        let renewed = self.buyer.pay(app, Method::POST, &path, Some(body)).await;
        assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    }

    async fn switch(&self, app: &TestApp, to: &str) {
        let path = format!("/lease/{}/{to}", self.ctid);
        let answer = self.session.call(app, Method::POST, &path).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
}

async fn look(app: &TestApp) {
    reconcile::compare(&app.app).await.unwrap();
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

/// What the metrics say of one name and its labels.
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

    // Stopped and started: the counters begin anew.
    tenant.switch(&app, "stop").await;
    tenant.has_sent(&app, 1_000_000, 2_000_000).await;
    tenant.switch(&app, "start").await;
    app.sim.add_traffic(tenant.ctid, 0, 3_000_000);
    tenant.has_sent(&app, 4_000_000, 2_000_000).await;

    // We are away, and the counters go on.
    app.sim.add_traffic(tenant.ctid, 500_000, 100_000);
    app.restart().await;
    tenant.has_sent(&app, 4_100_000, 2_500_000).await;

    // Moved to the other node, and started there.
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

#[tokio::test]
async fn what_is_used_up_is_slowed_then_cut_off_and_a_renewal_undoes_both() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    let (before, mac) = (tenant.net0(&app), tenant.part(&app, "hwaddr"));
    tenant.sends(&app, GIB - 10 * BY_ITSELF).await;
    assert_eq!(
        (tenant.net0(&app), tenant.notice(&app).await),
        (before.clone(), String::new())
    );

    tenant.sends(&app, 10 * BY_ITSELF).await;
    assert_eq!(tenant.step(&app).await, "slowed");
    assert_eq!(
        tenant.part(&app, "rate").as_deref(),
        Some("0.11920928955078125"),
        "1 Mbit/s"
    );
    assert_eq!(
        tenant.part(&app, "hwaddr"),
        mac,
        "another one ends every connection"
    );
    assert_eq!(tenant.part(&app, "link_down"), None);
    assert_eq!(
        tenant.notice(&app).await,
        "The container has sent more than the 1.0 GiB that are included, so its network is slowed to 1 Mbit/s. A renewal adds to \
         what is included."
    );

    tenant.sends(&app, GIB).await;
    assert_eq!(tenant.step(&app).await, "cut");
    assert_eq!(tenant.part(&app, "link_down").as_deref(), Some("1"));
    assert_eq!(tenant.part(&app, "hwaddr"), mac);
    assert!(tenant.notice(&app).await.contains("cut off"));
    assert!(!app.sim.add_traffic(tenant.ctid, 1, 1), "its cable is out");
    assert_eq!(
        app.sim.container(tenant.ctid).unwrap().status,
        "running",
        "never stopped"
    );
    let steps = [metric(&app, "leases_by_traffic_step{step=\"cut\"}").await];
    assert_eq!(steps, [Some(1.0)]);

    tenant.renew(&app, 60).await;
    assert_eq!(
        tenant.step(&app).await,
        "slowed",
        "2 GiB are included, and used up"
    );
    assert_eq!(tenant.part(&app, "link_down"), None);
    tenant.renew(&app, 60).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(tenant.net0(&app), before, "as it was made");
    assert_eq!(tenant.notice(&app).await, "");
    look(&app).await;
    let trail = [
        "traffic_slowed",
        "traffic_cut",
        "traffic_slowed",
        "traffic_restored",
    ];
    assert_eq!(tenant.trail(&app).await, trail);
    assert_eq!(tenant.usage(&app).await["traffic"]["included"], 3 * GIB);
}

#[tokio::test]
async fn a_step_that_cannot_be_taken_now_is_taken_later_and_once() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    app.sim.set_lock(tenant.ctid, Some("backup"));
    tenant.sends(&app, GIB).await;
    assert_eq!(
        (
            tenant.step(&app).await.as_str(),
            tenant.part(&app, "rate").as_deref() == Some("0.11920928955078125")
        ),
        ("full", false)
    );
    app.sim.set_lock(tenant.ctid, None);
    for away in [FaultKind::Unreachable595, FaultKind::LockTimeout] {
        app.sim
            .faults()
            .inject(Fault::once(Operation::UpdateConfig, away));
        look(&app).await;
        assert_eq!(tenant.step(&app).await, "full");
    }
    // Proxmox does it, and its answer is lost: as if we had crashed before it was written down.
    let lost = Fault::once(Operation::UpdateConfig, FaultKind::DropAfter);
    app.sim.faults().inject(lost);
    look(&app).await;
    assert_eq!(
        tenant.part(&app, "rate").as_deref(),
        Some("0.11920928955078125")
    );
    assert_eq!(tenant.trail(&app).await, [""; 0]);
    look(&app).await;
    look(&app).await;
    assert_eq!(tenant.trail(&app).await, ["traffic_slowed"]);
    tenant.renew(&app, 60).await;
    let made = tenant.part(&app, "rate").unwrap();
    assert_eq!(made, "11.920928955078125", "100 Mbit/s for its one core");
}

#[tokio::test]
async fn an_administrators_own_limit_is_never_raised() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    let made = tenant.part(&app, "rate").unwrap();
    let own = tenant
        .net0(&app)
        .replace(&format!("rate={made}"), "rate=0.05");
    app.sim.set_config(tenant.ctid, "net0", json!(own));
    tenant.sends(&app, GIB).await;
    assert_eq!(tenant.step(&app).await, "slowed");
    assert_eq!(tenant.part(&app, "rate").as_deref(), Some("0.05"));
    tenant.sends(&app, GIB).await;
    assert_eq!(tenant.part(&app, "link_down").as_deref(), Some("1"));
    tenant.renew(&app, 120).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(tenant.part(&app, "rate").as_deref(), Some("0.05"));
    assert_eq!(tenant.part(&app, "link_down"), None);
}

#[tokio::test]
async fn a_link_that_is_cut_off_is_not_put_up_for_the_firewall() {
    let network = ("PVE_NETWORK", "10.64.0.0/28");
    let app = cluster(&[("TRAFFIC_GIB_PER_HOUR", "1"), network]).await;
    app.sim.set_firewall(true);
    app.sim.add_security_group("infra402");
    let tenant = tenant(&app, 1).await;
    let store = &app.app.store;
    let waits = async || {
        store
            .traffic(&tenant.lease_id)
            .await
            .unwrap()
            .unwrap()
            .waits_for_firewall
    };
    let settled = async || {
        until("the firewall to know its rules", async || {
            app.clock.advance(Duration::from_secs(5));
            (!waits().await).then_some(())
        })
        .await;
    };
    settled().await;
    assert_eq!(tenant.part(&app, "link_down"), None);
    tenant.sends(&app, 2 * GIB).await;
    assert_eq!(tenant.part(&app, "link_down").as_deref(), Some("1"));
    // As if it had been cut off within the seconds in which it waits.
    let soon = i64::try_from(app.clock.unix_seconds()).unwrap() + 5;
    store.keep_link_down(&tenant.lease_id, soon).await.unwrap();
    app.app.deadlines_moved.notify_one();
    settled().await;
    assert_eq!(
        tenant.part(&app, "link_down").as_deref(),
        Some("1"),
        "it stays cut off"
    );
    tenant.renew(&app, 120).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(tenant.part(&app, "link_down"), None);
}

#[tokio::test]
async fn an_administrators_own_link_stays_down() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    assert!(app.sim.add_traffic(tenant.ctid, 0, 2 * GIB));
    let down = format!("{},link_down=1", tenant.net0(&app));
    app.sim.set_config(tenant.ctid, "net0", json!(down));
    look(&app).await;
    assert_eq!(tenant.step(&app).await, "cut");
    tenant.renew(&app, 180).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(
        tenant.part(&app, "link_down").as_deref(),
        Some("1"),
        "not ours to put up"
    );
}

#[tokio::test]
async fn usage_is_its_owners_alone() {
    let app = cluster(&[]).await;
    let (tenant, stranger) = (tenant(&app, 1).await, Buyer::new(2).sign_in(&app).await);
    let by_id = format!("/lease/{}/usage", tenant.lease_id);
    let by_number = format!("/lease/{}/usage", tenant.ctid);
    for path in [&by_id, &by_number] {
        let shown = tenant.session.get(&app, path).await;
        assert_eq!(shown.status, 200, "{:?}", shown.body);
        assert_eq!(shown.body["leaseId"], tenant.lease_id.as_str());
        assert_eq!(shown.body["now"]["status"], "running");
        assert_eq!(refusal(&stranger.get(&app, path).await), (403, "forbidden"));
        let unsigned = call(&app, &Method::GET, path, None, &[]).await;
        assert_eq!(refusal(&unsigned), (401, "unauthorized"));
    }
    for path in ["/lease/lease-none/usage", "/lease/40999/usage"] {
        let answer = tenant.session.get(&app, path).await;
        assert_eq!(refusal(&answer), (404, "lease_not_found"), "{path}");
    }
    for query in ["timeframe=century", "colour=red"] {
        let answer = tenant.session.get(&app, &format!("{by_id}?{query}")).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{query}");
    }
    for timeframe in ["hour", "day", "week", "month", "year"] {
        let shown = tenant
            .session
            .get(&app, &format!("{by_id}?timeframe={timeframe}"))
            .await;
        assert_eq!(
            (shown.status.as_u16(), &shown.body["timeframe"]),
            (200, &json!(timeframe))
        );
    }
}

#[tokio::test]
async fn usage_counts_among_the_free_calls_of_an_address() {
    // Signing in takes two, and the faucet one.
    let app = TestApp::with(&[("FREE_CALLS_PER_MINUTE", "5")]).await;
    let tenant = tenant(&app, 1).await;
    let path = format!("/lease/{}/usage", tenant.lease_id);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(tenant.session.get(&app, &path).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
}

#[tokio::test]
async fn the_history_of_a_number_begins_with_the_lease_that_has_it() {
    let app = TestApp::with(&[("PVE_VMID_RANGE", "40200-40200")]).await;
    let first = tenant(&app, 1).await;
    app.sim.add_traffic(first.ctid, 0, 7 * GIB);
    let later = Duration::from_secs(600);
    app.sim.advance_clock(later);
    app.clock.advance(later);
    let history = first.usage(&app).await["history"].clone();
    let rates = |history: &Value| -> Vec<f64> {
        let points = history.as_array().unwrap().iter();
        points
            .map(|point| point["sentPerSecond"].as_f64().unwrap())
            .collect()
    };
    assert!(rates(&history).len() >= 8, "{history}");
    let ended = format!("/lease/{}", first.ctid);
    assert_eq!(
        first
            .session
            .call(&app, Method::DELETE, &ended)
            .await
            .status,
        200
    );
    let over = first.usage(&app).await;
    assert_eq!((over.get("now"), &over["history"]), (None, &json!([])));

    let second = tenant(&app, 2).await;
    assert_eq!(second.ctid, first.ctid);
    app.sim.advance_clock(later);
    app.clock.advance(later);
    let history = second.usage(&app).await["history"].clone();
    let rates = rates(&history);
    assert!((8..=11).contains(&rates.len()), "{history}");
    assert!(rates.iter().all(|rate| *rate < 1e6), "{history}");
    // What it sends and receives by itself in ten minutes.
    second.has_sent(&app, 600 * 256, 600 * 512).await;
}

#[tokio::test]
async fn usage_is_shown_as_far_as_it_is_known_while_proxmox_is_away() {
    let app = cluster(&[]).await;
    let tenant = tenant(&app, 1).await;
    tenant.sends(&app, 5 * BY_ITSELF).await;
    app.sim
        .faults()
        .inject(Fault::always(Operation::Any, FaultKind::Unreachable595));
    let usage = tenant.usage(&app).await;
    assert_eq!((usage.get("now"), &usage["history"]), (None, &json!([])));
    assert!(usage["traffic"]["sent"].as_u64().unwrap() >= 5 * BY_ITSELF);
}

#[tokio::test]
async fn what_is_included_is_said_before_it_is_bought() {
    let body = json!({"runtimeMinutes": 30});
    for (gib, per_hour, included, sentence) in [
        (
            "3",
            json!(3),
            json!(3 * GIB / 2),
            ", with 3 GiB of sent traffic for each hour",
        ),
        ("0", Value::Null, Value::Null, ""),
    ] {
        let variables = [
            ("TRAFFIC_GIB_PER_HOUR", gib),
            ("ABUSE_CONTACT", "abuse@example.org"),
        ];
        let app = TestApp::with(&variables).await;
        let catalog = call(&app, &Method::GET, "/catalog", None, &[]).await.body;
        assert_eq!(catalog["trafficGibPerHour"], per_hour);
        assert_eq!(catalog["abuseContact"], "abuse@example.org");
        let quote = call(&app, &Method::POST, "/lease/quote", Some(&body), &[])
            .await
            .body;
        assert_eq!(quote["includedTraffic"], included);
        let asked = call(&app, &Method::POST, "/lease/container", Some(&body), &[])
            .await
            .body;
        let expected = format!("A Linux container for the time asked for{sentence}");
        assert_eq!(asked["accepts"][0]["description"], expected.as_str());
    }
}

#[tokio::test]
async fn without_an_amount_nothing_is_limited() {
    let app = cluster(&[("TRAFFIC_GIB_PER_HOUR", "0")]).await;
    let tenant = tenant(&app, 1).await;
    let before = tenant.net0(&app);
    tenant.sends(&app, 1_000_000 * GIB).await;
    assert_eq!(
        (tenant.step(&app).await.as_str(), tenant.net0(&app)),
        ("full", before)
    );
    assert!(
        tenant.usage(&app).await["traffic"]
            .get("included")
            .is_none()
    );
}

#[tokio::test]
async fn a_refused_wallet_buys_nothing_and_pays_nothing() {
    let (refused, other) = (Buyer::new(1), Buyer::new(2));
    let list = format!(
        "{:#x},0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        refused.wallet()
    );
    let app = TestApp::with(&[("REFUSED_WALLETS", &list)]).await;
    for buyer in [&refused, &other] {
        app.fund(buyer.wallet()).await;
    }
    let before = app.balance(refused.wallet()).await;
    let body = json!({"runtimeMinutes": 5, "diskGB": 2});
    let answer = refused.lease(&app, body.clone()).await;
    assert_eq!(refusal(&answer), (403, "forbidden"));
    assert_eq!(
        answer.body["error"]["message"],
        "The operator does not sell to this wallet; nothing was charged."
    );
    let list = refused
        .pay(&app, Method::GET, "/management/list", None)
        .await;
    assert_eq!(refusal(&list), (403, "forbidden"));
    assert_eq!(app.balance(refused.wallet()).await, before);
    assert_eq!(app.sim.containers().len(), 0);
    assert_eq!(other.lease(&app, body).await.status, 200);
}

#[tokio::test]
async fn the_operator_is_told_of_busy_disks_and_full_storages_while_they_last() {
    let app = cluster(&[]).await;
    let tenant = tenant(&app, 1).await;
    app.sim.set_pressure(tenant.ctid, "iofull", 51.0);
    let busy = async || metric(&app, "containers_under_pressure").await.unwrap();
    for expected in [0.0, 0.0, 1.0, 1.0] {
        look(&app).await;
        assert!((busy().await - expected).abs() < 0.1, "{expected}");
    }
    app.sim.set_pressure(tenant.ctid, "iofull", 50.0);
    look(&app).await;
    assert!(busy().await < 0.1);

    let full = async || metric(&app, "storages_nearly_full").await.unwrap();
    assert!(full().await < 0.1);
    app.sim.set_storage_used("local-lvm", u64::MAX >> 8);
    look(&app).await;
    assert!(full().await > 0.9);
    app.sim.set_storage_used("local-lvm", 0);
    look(&app).await;
    assert!(full().await < 0.1);
}
