//! Numbers are reused: a request for one lease's container never reaches another lease's.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer, SignedIn},
    console::client,
    guest::Guest,
    support::{TestApp, until},
};

/// A service with only one number.
async fn service() -> TestApp {
    TestApp::with(&[("PVE_VMID_RANGE", "40200-40200")]).await
}

async fn leased(app: &TestApp, number: u64) -> (Buyer, SignedIn) {
    let buyer = Buyer::funded(app, number).await;
    let leased = buyer.lease(app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    assert_eq!(leased.body["ctid"], 40200);
    let session = buyer.sign_in(app).await;
    (buyer, session)
}

fn status(app: &TestApp) -> String {
    app.sim.container(40200).unwrap().status
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_renewal_of_a_lease_that_is_gone_starts_nobody_elses_container() {
    let app = service().await;
    let (buyer, session) = leased(&app, 1).await;
    // The time is added, and the start fails: paid, and not answered.
    let path = "/lease/40200/renew";
    let body = json!({"runtimeMinutes": 30});
    let renewal = buyer.sign(&app, Method::POST, path, Some(body)).await;
    let renewal = renewal.with_key("a-key-of-the-customer");
    app.sim.kill_container(40200);
    let failure = FaultKind::TaskFailure("no such bridge".into());
    app.sim
        .faults()
        .inject(Fault::once(Operation::Start, failure));
    let failed = renewal.send(&app).await;
    assert_eq!(failed.status, 502, "{:?}", failed.body);
    assert_eq!(failed.receipt().unwrap()["success"], true);
    let paid = app.balance(buyer.wallet()).await;
    let ended = session.call(&app, Method::DELETE, "/lease/40200").await;
    assert_eq!(ended.status, 200, "{:?}", ended.body);

    let (_, other) = leased(&app, 2).await;
    let stopped = other.call(&app, Method::POST, "/lease/40200/stop").await;
    assert_eq!(stopped.status, 200, "{:?}", stopped.body);
    let starts = app.sim.request_count("POST", "/status/start");
    let again = renewal.send(&app).await;
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert_eq!(again.body["status"], "destroyed");
    assert_eq!(status(&app), "stopped");
    assert_eq!(app.sim.request_count("POST", "/status/start"), starts);
    assert_eq!(app.balance(buyer.wallet()).await, paid);
}

#[tokio::test]
async fn a_hidden_container_with_a_leases_number_is_not_touched_and_ends_no_lease() {
    let app = service().await;
    let (buyer, session) = leased(&app, 1).await;
    let ticket = buyer
        .pay(&app, Method::POST, "/management/console/40200", None)
        .await;
    assert_eq!(ticket.status, 200, "{:?}", ticket.body);
    // Longer than a container's status is cached.
    app.clock.advance(Duration::from_secs(6));
    app.sim.kill_container(40200);
    app.sim.remove_container(40200);
    app.sim.put_foreign_container(40200, "accounting");
    let state = status(&app);
    let before = app.balance(buyer.wallet()).await;
    app.sim.clear_requests();

    let pay =
        async |path: &str, body: Option<Value>| buyer.pay(&app, Method::POST, path, body).await;
    let command = json!({"command": "true"});
    let minutes = json!({"runtimeMinutes": 5});
    let refused: [(&str, Answer); 5] = [
        ("exec", pay("/management/exec/40200", Some(command)).await),
        ("console", pay("/management/console/40200", None).await),
        ("renew", pay("/lease/40200/renew", Some(minutes)).await),
        (
            "stop",
            session.call(&app, Method::POST, "/lease/40200/stop").await,
        ),
        (
            "start",
            session.call(&app, Method::POST, "/lease/40200/start").await,
        ),
    ];
    for (what, answer) in refused {
        let seen = (answer.status.as_u16(), answer.code());
        let expected = (503, "hypervisor_unavailable");
        assert_eq!(seen, expected, "{what}: {:?}", answer.body);
    }
    let guest = Guest {
        app,
        buyer,
        ctid: 40200,
    };
    let ticket = ticket.body["ticket"].as_str().unwrap();
    let opened = client::connect(&guest, ticket).await.closed().await;
    assert_eq!(opened.0, 4503, "{opened:?}");
    let Guest { app, buyer, .. } = guest;
    assert_eq!(
        app.balance(buyer.wallet()).await,
        before,
        "nothing was charged"
    );

    // Neither the end of the paid time nor the owner's request touches it.
    app.clock.advance(Duration::from_secs(31 * 60));
    until("the time to be over", async || {
        let list = session.get(&app, "/leases").await;
        (list.body["leases"][0]["status"] == "expiring").then_some(())
    })
    .await;
    let ended = session.call(&app, Method::DELETE, "/lease/40200").await;
    assert_eq!(
        ended.status, 202,
        "not gone as far as we know: {:?}",
        ended.body
    );
    assert_eq!(app.sim.container(40200).unwrap().hostname, "accounting");
    assert_eq!(status(&app), state);
    for action in ["start", "stop", "shutdown"] {
        let path = format!("/status/{action}");
        assert_eq!(app.sim.request_count("POST", &path), 0, "{action}");
    }
    assert_eq!(app.sim.request_count("POST", "/termproxy"), 0);
    assert_eq!(app.sim.request_count("DELETE", "/lxc/"), 0);

    // Once the number is free, the lease ends by itself.
    app.sim.remove_container(40200);
    until("the lease to be over", async || {
        app.clock.advance(Duration::from_secs(60));
        let leases = app.app.store.live_leases().await.unwrap();
        leases.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_number_is_not_used_again_while_others_have_rested_longer() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    for expected in 40200..40204_u64 {
        let leased = buyer.lease(&app, json!({"runtimeMinutes": 5})).await;
        assert_eq!(leased.body["ctid"], expected, "{:?}", leased.body);
        assert!(number(&leased.body["price"]["total"]) > 0);
        let path = format!("/lease/{expected}");
        let ended = session.call(&app, Method::DELETE, &path).await;
        assert_eq!(ended.status, 200, "{:?}", ended.body);
    }
}
