//! The limits of one wallet, and leases of other wallets.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Buyer, call},
    support::TestApp,
};

fn body() -> Value {
    json!({"runtimeMinutes": 30})
}

#[tokio::test]
async fn a_wallet_has_only_so_many_leases_and_reservations() {
    let app = TestApp::with(&[("LEASES_PER_WALLET", "1")]).await;
    let buyer = Buyer::funded(&app, 1).await;
    assert_eq!(buyer.lease(&app, body()).await.status, 200);
    let before = app.balance(buyer.wallet()).await;
    let more = buyer.lease(&app, body()).await;
    assert_eq!(
        (more.status.as_u16(), more.code()),
        (409, "lease_limit_reached")
    );
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(
        Buyer::funded(&app, 2)
            .await
            .lease(&app, body())
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_lease_of_someone_else_cannot_be_renewed_and_costs_nothing_to_try() {
    let app = TestApp::start().await;
    let (owner, other) = (Buyer::funded(&app, 1).await, Buyer::funded(&app, 2).await);
    let leased = owner.lease(&app, body()).await;
    let before = app.balance(other.wallet()).await;
    let refused = other.renew(&app, &leased.body["ctid"], 5).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "forbidden")
    );
    assert_eq!(app.balance(other.wallet()).await, before);
    for (path, code) in [
        ("/lease/40999/renew", (404, "lease_not_found")),
        ("/lease/abc/renew", (400, "invalid_request")),
    ] {
        let body = json!({"runtimeMinutes": 5});
        let missing = call(&app, &Method::POST, path, Some(&body), &[]).await;
        assert_eq!((missing.status.as_u16(), missing.code()), code);
    }
}
