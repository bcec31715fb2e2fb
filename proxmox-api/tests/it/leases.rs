//! The ordinary life of a lease.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::Buyer,
    support::{TestApp, until},
};

#[tokio::test]
async fn a_lease_is_paid_for_runs_and_ends_by_itself() {
    let app = TestApp::with(&[("LEASE_GRACE_MINUTES", "10")]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;

    let body =
        json!({"runtimeMinutes": 30, "cores": 2, "memoryMB": 1024, "diskGB": 4, "hostname": "box"});
    let leased = buyer.lease(&app, body).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    let ctid = u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap();
    let container = app.sim.container(ctid).unwrap();
    assert_eq!(container.status, "running");
    assert_eq!(leased.body["status"], "active");
    assert_eq!(leased.body["hostname"], "box");
    assert_eq!(leased.body["password"].as_str().unwrap().len(), 20);
    assert!(leased.body["ip"].is_string());
    let price: u64 = leased.body["price"]["total"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(app.balance(buyer.wallet()).await, before - price);
    let receipt = leased.receipt().unwrap();
    assert_eq!(receipt["success"], true);
    assert_eq!(
        receipt["transaction"],
        leased.body["payment"]["transaction"]
    );
    assert_eq!(leased.headers["cache-control"], "private, no-store");

    let list = buyer.pay(&app, Method::GET, "/management/list", None).await;
    assert_eq!(list.status, 200, "{:?}", list.body);
    assert_eq!(list.body["leases"][0]["ctid"], ctid);
    assert_eq!(list.body["leases"][0]["liveStatus"], "running");
    assert_eq!(list.body["leases"][0]["paid"], price.to_string());

    app.clock.advance(Duration::from_secs(30 * 60 + 1));
    until("the container to be stopped", async || {
        app.sim
            .container(ctid)
            .filter(|found| found.status == "stopped")
    })
    .await;
    let renewed = buyer.renew(&app, ctid, 5).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    assert_eq!(
        app.sim.container(ctid).unwrap().status,
        "running",
        "a renewal starts it again"
    );

    app.clock.advance(Duration::from_secs(5 * 60 + 1));
    until("the container to be stopped again", async || {
        app.sim
            .container(ctid)
            .filter(|found| found.status == "stopped")
    })
    .await;
    app.clock.advance(Duration::from_secs(10 * 60));
    until("the container to be gone", async || {
        app.sim.container(ctid).is_none().then_some(())
    })
    .await;
}
