//! Containers without a lease. After a database was restored, one of them may belong to a paying
//! customer.

use std::time::Duration;

use rusqlite::Connection;

use crate::support::{TestApp, until};

use super::{Customer, compare};

/// A service whose database was restored from a copy that lacks the customer's lease.
async fn restored_from_yesterday(keep_hours: &str) -> (TestApp, u32) {
    let today = TestApp::start().await;
    let folder = today.database();
    let yesterday = folder.with_file_name("yesterday.sqlite");
    let rows = Connection::open(&folder).unwrap();
    rows.execute("VACUUM INTO ?1", [yesterday.to_str().unwrap()])
        .unwrap();
    let customer = Customer::of(&today, 1, 600).await;
    let ctid = customer.ctid;
    let copy =
        std::env::temp_dir().join(format!("infra402-yesterday-{ctid}-{}", std::process::id()));
    let copy = copy.with_extension(keep_hours);
    std::fs::copy(&yesterday, &copy).unwrap();
    let sim = today.sim.clone();
    drop(today);
    let path = copy.to_str().unwrap().to_owned();
    let variables = [
        ("DATABASE", path.as_str()),
        ("ORPHAN_KEEP_HOURS", keep_hours),
    ];
    let app = TestApp::on(sim, &variables).await;
    (app, ctid)
}

#[tokio::test]
async fn a_container_of_a_forgotten_lease_is_stopped_and_kept_for_days() {
    let (app, ctid) = restored_from_yesterday("72").await;
    let found = compare(&app).await;
    assert_eq!((found.orphans, found.removed), (vec![ctid], vec![]));
    assert_eq!(app.sim.container(ctid).unwrap().status, "stopped");
    app.clock.advance(Duration::from_secs(71 * 3600));
    let found = compare(&app).await;
    assert_eq!((found.orphans, found.removed), (vec![ctid], vec![]));
    app.clock.advance(Duration::from_secs(3600));
    let found = compare(&app).await;
    assert_eq!((found.orphans, found.removed), (vec![], vec![ctid]));
    assert!(app.sim.container(ctid).is_none());
}

#[tokio::test]
async fn a_new_lease_does_not_get_the_number_of_an_orphan() {
    let (app, ctid) = restored_from_yesterday("71").await;
    compare(&app).await;
    let customer = Customer::of(&app, 2, 60).await;
    assert_ne!(customer.ctid, ctid);
    let found = compare(&app).await;
    assert_eq!(found.orphans, [ctid]);
}

#[tokio::test]
async fn an_operator_may_have_orphans_removed_at_once() {
    let (app, ctid) = restored_from_yesterday("0").await;
    until("the orphan to be removed", async || {
        app.sim.container(ctid).is_none().then_some(())
    })
    .await;
}
