//! Which address a request counts for. Only our own proxies and services may name another address.

use reqwest::Method;
use serde_json::json;
use service::caller::{CLIENT_ADDRESS, SERVICES_SECRET};

use crate::{
    buyer::{Buyer, call},
    support::TestApp,
};

const SECRET: &str = "a secret of two services";

/// Statuses of `calls` sign-in challenges with these headers.
async fn statuses(app: &TestApp, calls: usize, headers: &[(&str, &str)]) -> Vec<u16> {
    let ask = json!({"address": Buyer::new(1).wallet()});
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let mut statuses = Vec::new();
    for _ in 0..calls {
        let path = "/session/challenge";
        let answer = call(app, &Method::POST, path, Some(&ask), &headers).await;
        statuses.push(answer.status.as_u16());
    }
    statuses
}

#[tokio::test]
async fn each_customer_of_a_service_of_ours_has_a_limit_of_its_own() {
    let app = TestApp::with(&[("FREE_CALLS_PER_MINUTE", "2"), ("SERVICES_SECRET", SECRET)]).await;
    let of = |client| [(SERVICES_SECRET, SECRET), (CLIENT_ADDRESS, client)];
    assert_eq!(statuses(&app, 3, &of("203.0.113.7")).await, [200, 200, 429]);
    assert_eq!(statuses(&app, 3, &of("203.0.113.8")).await, [200, 200, 429]);
    // Addresses of one IPv6 network count as one customer.
    assert_eq!(statuses(&app, 2, &of("2001:db8::1")).await, [200, 200]);
    assert_eq!(statuses(&app, 1, &of("2001:db8::2")).await, [429]);
    // Requests of a service that names no customer do not count as one customer's.
    let silent = [(SERVICES_SECRET, SECRET)];
    assert_eq!(statuses(&app, 5, &silent).await, [200; 5]);
}

#[tokio::test]
async fn an_address_that_anybody_claims_changes_nothing() {
    let app = TestApp::with(&[("FREE_CALLS_PER_MINUTE", "2"), ("SERVICES_SECRET", SECRET)]).await;
    let guess = "a secret of two servicez";
    let claims = [
        vec![(CLIENT_ADDRESS, "203.0.113.7")],
        vec![(CLIENT_ADDRESS, "203.0.113.8"), (SERVICES_SECRET, guess)],
        vec![("x-forwarded-for", "203.0.113.9")],
    ];
    let mut seen = Vec::new();
    for claim in claims {
        seen.extend(statuses(&app, 1, &claim).await);
    }
    assert_eq!(seen, [200, 200, 429]);
}
