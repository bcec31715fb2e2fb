//! Money that comes back as credit.

use std::time::Duration;

use proxmox_api::operations::sweep::sweep;
use reqwest::Method;
use serde_json::json;

use super::{books_balance, credit, keyed, service};
use crate::{buyer::Buyer, support::until};

#[tokio::test]
async fn a_lease_that_is_ended_early_gives_back_its_unused_minutes_once() {
    let app = service().await;
    let buyer = Buyer::new(1);
    let scopes = json!({"scopes": ["lease", "destroy", "read"]});
    let keyed = keyed(&app, &buyer, 1_000_000, scopes).await;
    let leased = keyed.lease(&app, 60).await;
    let (total, fee) = (10_000, 2_000);
    assert_eq!(
        leased.body["price"]["total"],
        total.to_string(),
        "{:?}",
        leased.body
    );
    app.clock.advance(Duration::from_secs(10 * 60));
    let path = format!("/lease/{}", leased.body["ctid"]);
    let end = || keyed.send(&app, Method::DELETE, &path, None, &[]);
    let (one, two) = tokio::join!(end(), end());
    assert!(
        one.status.is_success() && two.status.is_success(),
        "{one:?} {two:?}"
    );
    let (balance, held) = credit(&app, &buyer).await;
    let back = balance - (1_000_000 - total);
    let of = |minutes: u64| (total - fee) * minutes / 60;
    assert!([of(49), of(50)].contains(&back) && held == 0, "{back}");
    let again = end().await;
    assert_eq!(
        again.body["creditReturned"],
        back.to_string(),
        "{:?}",
        again.body
    );
    assert_eq!(credit(&app, &buyer).await, (balance, 0));
    let entries = keyed.get(&app, "/credit/entries").await.body;
    assert_eq!(entries["entries"][0]["kind"], "unused");
    assert_eq!(entries["entries"][0]["leaseId"], leased.body["leaseId"]);
    books_balance(&app).await;
}

#[tokio::test]
async fn what_was_paid_and_not_delivered_becomes_credit() {
    let app = service().await;
    let buyer = Buyer::funded(&app, 1).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 60})).await;
    let id = leased.body["leaseId"].as_str().unwrap().into();
    let now = app.app.now();
    // The host lost its container.
    let owed = app
        .app
        .store
        .end_lost_lease(&id, now, now)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!(credit(&app, &buyer).await, (0, 0));
    sweep(&app.app).await.unwrap();
    assert_eq!(credit(&app, &buyer).await, (owed[0].1, 0));
    sweep(&app.app).await.unwrap();
    assert_eq!(credit(&app, &buyer).await, (owed[0].1, 0), "once only");
    assert_eq!(app.app.store.debts_due().await.unwrap(), []);
    books_balance(&app).await;
}

#[tokio::test]
async fn where_credit_is_off_the_operator_sees_what_is_due() {
    let app = crate::support::TestApp::with(&[("CREDIT", "false")]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 60})).await;
    let id = leased.body["leaseId"].as_str().unwrap().into();
    let now = app.app.now();
    app.app.store.end_lost_lease(&id, now, now).await.unwrap();
    sweep(&app.app).await.unwrap();
    assert_eq!(app.app.store.debts_due().await.unwrap().len(), 1);
    until("the sweep", async || Some(())).await;
    assert_eq!(credit(&app, &buyer).await, (0, 0));
}
