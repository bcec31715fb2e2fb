//! An administrator works on the host while customers use their containers. No change loses a
//! customer's container or makes the service touch a container of another owner.

mod attacks;
mod copies;
mod gone;
mod locks;
mod moved;
mod orphans;
mod reboots;
mod refunds;
mod story;
mod upgraded;

use std::time::Duration;

use crate::guest::plain_shell;
use proxmox_api::{
    ids::LeaseId,
    lease::comparing::{Findings, reconcile},
};
use pve_sim::{Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer, SignedIn},
    support::{TestApp, until},
};

/// Longer than a container's status is cached.
const LATER: Duration = Duration::from_secs(6);

/// Advances the clocks of the service and of the nodes.
fn later(app: &TestApp, seconds: u64) {
    app.clock.advance(Duration::from_secs(seconds));
    app.sim.advance_clock(Duration::from_secs(seconds));
}

/// Lets time pass in steps, each of which ends when the worker has tried to end the lease as often
/// as it was due, without success.
async fn fails_to_end(app: &TestApp, lease_id: &LeaseId, steps: u32, step: Duration) {
    for _ in 0..steps {
        app.clock.advance(step);
        until("the due try to have failed", async || {
            let now = app.app.now();
            let next = app.app.retries.next(lease_id, now);
            if next.is_some_and(|next| next > now) {
                return Some(());
            }
            // A lease that the comparison holds at that moment is tried again after seconds.
            app.clock.advance(Duration::from_secs(1));
            None
        })
        .await;
    }
}

/// A service on a cluster of two nodes.
async fn cluster(more: &[(&str, &str)]) -> TestApp {
    let config = SimConfig {
        time_scale: 0.002,
        shell: plain_shell(),
        nodes: vec!["pve".into(), "pve2".into()],
        ..SimConfig::default()
    };
    let mut variables = vec![("PVE_NODE", "auto")];
    variables.extend(more);
    TestApp::on(Sim::start(config).await.unwrap(), &variables).await
}

/// A customer with one lease.
struct Customer {
    buyer: Buyer,
    session: SignedIn,
    ctid: u32,
    lease_id: LeaseId,
}

impl Customer {
    async fn of(app: &TestApp, number: u64, minutes: u32) -> Self {
        let buyer = Buyer::funded(app, number).await;
        let session = buyer.sign_in(app).await;
        let body =
            json!({"runtimeMinutes": minutes, "diskGB": 2, "hostname": format!("box-{number}")});
        let leased = buyer.lease(app, body).await;
        assert_eq!(leased.status, 200, "{:?}", leased.body);
        Self {
            ctid: u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap(),
            lease_id: leased.body["leaseId"].as_str().unwrap().into(),
            buyer,
            session,
        }
    }

    async fn pay(&self, app: &TestApp, path: &str, body: Option<Value>) -> Answer {
        self.buyer.pay(app, Method::POST, path, body).await
    }

    async fn exec(&self, app: &TestApp) -> Answer {
        let path = format!("/management/exec/{}", self.ctid);
        self.pay(app, &path, Some(json!({"command": "echo here"})))
            .await
    }

    async fn console(&self, app: &TestApp) -> Answer {
        self.pay(app, &format!("/management/console/{}", self.ctid), None)
            .await
    }

    async fn renew(&self, app: &TestApp) -> Answer {
        let path = format!("/lease/{}/renew", self.ctid);
        self.pay(app, &path, Some(json!({"runtimeMinutes": 5})))
            .await
    }

    async fn switch(&self, app: &TestApp, action: &str) -> Answer {
        let path = format!("/lease/{}/{action}", self.ctid);
        self.session.call(app, Method::POST, &path).await
    }

    async fn destroy(&self, app: &TestApp) -> Answer {
        let path = format!("/lease/{}", self.ctid);
        self.session.call(app, Method::DELETE, &path).await
    }

    async fn view(&self, app: &TestApp) -> Value {
        let list = self.session.get(app, "/leases?all=true").await;
        let leases = list.body["leases"].as_array().unwrap();
        let own = |lease: &&Value| lease["leaseId"] == self.lease_id.as_str();
        leases.iter().find(own).unwrap().clone()
    }

    /// Every paid request for the container succeeds.
    async fn is_served(&self, app: &TestApp) {
        let ran = self.exec(app).await;
        assert_eq!(ran.status, 200, "exec: {:?}", ran.body);
        assert_eq!(ran.body["stdout"], "here\n");
        let opened = self.console(app).await;
        assert_eq!(opened.status, 200, "console: {:?}", opened.body);
        let renewed = self.renew(app).await;
        assert_eq!(renewed.status, 200, "renew: {:?}", renewed.body);
    }

    /// Every paid request for the container is refused in the same way, and costs nothing.
    async fn is_refused(&self, app: &TestApp, status: u16, code: &str, retryable: bool) -> Value {
        let before = app.balance(self.buyer.wallet()).await;
        let mut last = Value::Null;
        for (what, answer) in [
            ("exec", self.exec(app).await),
            ("console", self.console(app).await),
            ("renew", self.renew(app).await),
        ] {
            let seen = (answer.status.as_u16(), answer.code());
            assert_eq!(seen, (status, code), "{what}: {:?}", answer.body);
            assert_eq!(answer.body["error"]["retryable"], retryable, "{what}");
            last = answer.body["error"].clone();
        }
        assert_eq!(app.balance(self.buyer.wallet()).await, before);
        last
    }

    async fn events(&self, app: &TestApp, kind: &str) -> usize {
        let events = app.app.store.events(&self.lease_id, 0, 1000).await.unwrap();
        events.iter().filter(|event| event.kind == kind).count()
    }

    fn runs(&self, app: &TestApp) -> bool {
        app.sim.container(self.ctid).unwrap().status == "running"
    }

    /// The lease's state in the store.
    async fn state(&self, app: &TestApp) -> &'static str {
        let lease = app.app.store.lease(&self.lease_id).await.unwrap();
        lease.unwrap().state.as_str()
    }

    /// Advances the clock past the paid time and the grace, and checks that the container was
    /// removed.
    async fn ends(&self, app: &TestApp) {
        until("the lease to be over", async || {
            app.clock.advance(Duration::from_secs(900));
            (self.state(app).await == "destroyed").then_some(())
        })
        .await;
        assert!(app.sim.container(self.ctid).is_none());
        for kind in ["stopped", "destroyed"] {
            until(kind, async || {
                (self.events(app, kind).await == 1).then_some(())
            })
            .await;
        }
        assert_eq!(self.events(app, "container_lost").await, 0);
        assert_eq!(app.app.store.debts_due().await.unwrap(), []);
    }
}

async fn compare(app: &TestApp) -> Findings {
    reconcile::compare(&app.app).await.unwrap()
}

fn node_of(app: &TestApp, vmid: u32) -> String {
    app.sim.container(vmid).unwrap().node
}

fn other(node: &str) -> &'static str {
    if node == "pve" { "pve2" } else { "pve" }
}
