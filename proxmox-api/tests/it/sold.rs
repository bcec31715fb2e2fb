//! Every list of the paid operations that a customer can read has exactly the registry's
//! operations.

use std::collections::BTreeSet;

use proxmox_api::{
    operations::{self, sweep},
    store::{NewPayment, PaymentState, SignedRequest},
};
use reqwest::Method;
use serde_json::Value;

use crate::{
    buyer::call,
    support::{PAYEE, TestApp},
};

const README: &str = include_str!("../../../README.md");

/// Method and path of each operation in the registry.
fn registered() -> BTreeSet<String> {
    let all = operations::ALL.iter().map(|operation| &operation.about);
    all.map(|about| format!("{} {}", about.method, about.path))
        .collect()
}

#[test]
fn names_and_routes_are_used_once() {
    let names: BTreeSet<_> = operations::ALL.iter().map(|one| one.about.name).collect();
    assert_eq!(names.len(), operations::ALL.len());
    assert_eq!(registered().len(), operations::ALL.len());
}

/// The paid routes in the README's table.
fn sold_by_the_readme() -> BTreeSet<String> {
    let rows = README
        .lines()
        .skip_while(|line| !line.starts_with("| Route | Costs |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells[2] != "–")
        .map(|cells| cells[1].trim_matches('`').to_owned())
        .collect()
}

#[test]
fn the_readme_lists_what_is_sold_and_nothing_else() {
    assert_eq!(sold_by_the_readme(), registered());
}

#[tokio::test]
async fn the_catalogues_list_what_is_sold_and_nothing_else() {
    let app = TestApp::with_credit().await;
    let read = async |path: &str| call(&app, &Method::GET, path, None, &[]).await.body;

    let document = read("/openapi.json").await;
    assert_eq!(paid_in(&document), registered());

    let guide = read("/llms.txt").await;
    let section = guide.as_str().unwrap().split("## Paid").nth(1).unwrap();
    let lines = section.split("##").next().unwrap().lines();
    let listed: BTreeSet<_> = lines
        .filter_map(|line| line.strip_prefix("- `")?.split_once('`'))
        .map(|(route, _)| route.to_owned())
        .collect();
    assert_eq!(listed, registered());

    // Crawlers request the listed paths, so that a path with a parameter is not listed.
    let resources = read("/.well-known/x402").await;
    let items = resources["items"].as_array().unwrap().iter();
    let items: BTreeSet<_> = items
        .map(|item| {
            let resource = item["resource"].as_str().unwrap();
            let path = resource.strip_prefix("http://lease.example").unwrap();
            format!("{} {path}", item["method"].as_str().unwrap())
        })
        .collect();
    let mut concrete = registered();
    concrete.retain(|route| !route.contains('{'));
    assert_eq!(items, concrete);
}

/// Method and path of every route that the document marks as paid.
fn paid_in(document: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation.get("x-payment-info").is_some() {
                all.insert(format!("{} {path}", method.to_ascii_uppercase()));
            }
        }
    }
    all
}

/// A later release, which was then rolled back, may have prepared something that only it can undo.
#[tokio::test]
async fn a_payment_for_an_unknown_operation_waits_for_a_release_that_knows_it() {
    let app = TestApp::with_credit().await;
    let (store, now) = (&app.app.store, app.app.now());
    for (id, operation) in [("pay_1", "list"), ("pay_2", "of_a_later_release")] {
        let row = NewPayment {
            payment_id: id.into(),
            network: app.app.config.payments.network.caip2.into(),
            asset: app.app.config.payments.network.usdc.address.to_string(),
            payer: PAYEE.parse().unwrap(),
            nonce: id.into(),
            digest: "digest".into(),
            idempotency_key: None,
            amount: 1000,
            pay_to: PAYEE.into(),
            valid_before: now + 300,
            request: SignedRequest("{}".into()),
            operation: operation.into(),
            arguments: "{}".into(),
            lease_id: None,
        };
        store.reserve(row, now).await.unwrap();
    }
    sweep::recover(&app.app).await.unwrap();
    let state = async |id: &str| store.payment(&id.into()).await.unwrap().unwrap().state;
    assert_eq!(state("pay_1").await, PaymentState::Released);
    assert_eq!(state("pay_2").await, PaymentState::Reserved);
    // The payment is owed in time, with the reason that the unknown operation may have run.
    app.rewrite(
        "UPDATE payments SET state = 'settled', performed_at = 1, updated_at = 1
         WHERE payment_id = 'pay_2'",
    );
    sweep::recover(&app.app).await.unwrap();
    let due = store.debts_due().await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].reason, "may_have_run");
}
