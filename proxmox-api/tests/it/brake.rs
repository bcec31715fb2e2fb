//! The brake: wallets and addresses that had a container without paying wait longer for the next
//! one, and do not keep paying customers out.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::{Answer, Buyer},
    support::{TestApp, until},
};

fn body() -> Value {
    json!({"runtimeMinutes": 30})
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

fn wait(answer: &Answer) -> u64 {
    let header = answer.headers["retry-after"].to_str().unwrap();
    header.parse().unwrap()
}

/// Refuses the next settlements, as if the balance had been moved away at the last moment.
fn refuse(app: &TestApp, times: usize) {
    let fault = SettleFault::Refuse("insufficient_funds".into());
    app.faults.on_settle(vec![fault; times]);
}

async fn lease_from(app: &TestApp, buyer: &Buyer, address: &str) -> Answer {
    let signed = buyer
        .sign(app, Method::POST, "/lease/container", Some(body()))
        .await;
    signed.from(address).send(app).await
}

#[tokio::test]
async fn a_wallet_that_lets_settlements_be_refused_waits_longer_each_time() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    refuse(&app, 3);
    for _ in 0..2 {
        assert_eq!(buyer.lease(&app, body()).await.status, 402);
    }
    let creates = app.sim.request_count("POST", "/lxc");
    let blocked = buyer.lease(&app, body()).await;
    assert_eq!(refusal(&blocked), (429, "rate_limited"));
    assert!((25..=30).contains(&wait(&blocked)), "{}", wait(&blocked));
    let said = blocked.body["error"]["message"].as_str().unwrap();
    assert!(said.contains("nothing was charged"), "{said}");
    assert_eq!(
        app.sim.request_count("POST", "/lxc"),
        creates,
        "nothing was made"
    );

    app.clock.advance(Duration::from_secs(31));
    assert_eq!(buyer.lease(&app, body()).await.status, 402, "the third");
    let blocked = buyer.lease(&app, body()).await;
    assert!((55..=60).contains(&wait(&blocked)), "{}", wait(&blocked));
    app.clock.advance(Duration::from_secs(61));
    assert_eq!(app.balance(buyer.wallet()).await, before);
    let paid = buyer.lease(&app, body()).await;
    assert_eq!(paid.status, 200, "{:?}", paid.body);
}

#[tokio::test]
async fn fresh_wallets_of_one_address_are_no_way_around_it() {
    let mut app = TestApp::with(&[("TRUSTED_PROXIES", "1")]).await;
    refuse(&app, 4);
    for number in 1..=4 {
        let buyer = Buyer::funded(&app, number).await;
        let refused = lease_from(&app, &buyer, "203.0.113.7").await;
        assert_eq!(refused.status, 402, "{:?}", refused.body);
    }
    // This holds after a restart too, and with forged address headers.
    app.restart().await;
    let fresh = Buyer::funded(&app, 5).await;
    for address in ["203.0.113.7", "203.0.113.99, 203.0.113.7"] {
        let blocked = lease_from(&app, &fresh, address).await;
        assert_eq!(refusal(&blocked), (429, "rate_limited"));
        assert!((20..=30).contains(&wait(&blocked)), "{}", wait(&blocked));
    }
    let elsewhere = lease_from(&app, &fresh, "203.0.113.8").await;
    assert_eq!(elsewhere.status, 200, "{:?}", elsewhere.body);
    app.clock.advance(Duration::from_secs(31));
    let later = lease_from(&app, &fresh, "203.0.113.7").await;
    assert_eq!(later.status, 200, "{:?}", later.body);
}

#[tokio::test]
async fn machines_that_wait_for_their_money_keep_no_paying_customer_out() {
    let app = TestApp::with(&[("MAX_UNPAID_LEASES", "2")]).await;
    let known = Buyer::funded(&app, 1).await;
    assert_eq!(known.lease(&app, body()).await.status, 200);
    app.faults.on_settle(vec![SettleFault::LoseRequest; 100]);
    let fresh = Buyer::funded(&app, 2).await.lease(&app, body()).await;
    assert_eq!(fresh.status, 202, "{:?}", fresh.body);
    let verified = app.sim.request_count("POST", "/lxc");
    let refused = Buyer::funded(&app, 3).await.lease(&app, body()).await;
    assert_eq!(refusal(&refused), (503, "capacity_exhausted"));
    assert_eq!(wait(&refused), 10);
    assert_eq!(
        app.sim.request_count("POST", "/lxc"),
        verified,
        "nothing was made"
    );
    let kept = known.lease(&app, body()).await;
    assert_eq!(kept.status, 202, "{:?}", kept.body);
    let full = known.lease(&app, body()).await;
    assert_eq!(refusal(&full), (503, "capacity_exhausted"));
}

#[tokio::test]
async fn an_address_has_only_so_many_leases_in_the_making() {
    let variables = [
        ("LEASES_IN_FLIGHT_PER_ADDRESS", "1"),
        ("TRUSTED_PROXIES", "1"),
    ];
    let app = TestApp::with(&variables).await;
    app.faults.on_settle(vec![SettleFault::LoseRequest; 100]);
    let (one, two) = (Buyer::funded(&app, 1).await, Buyer::funded(&app, 2).await);
    let held = lease_from(&app, &one, "203.0.113.7").await;
    assert_eq!(held.status, 202, "{:?}", held.body);
    let refused = lease_from(&app, &two, "203.0.113.7").await;
    assert_eq!(refusal(&refused), (429, "rate_limited"));
    let elsewhere = lease_from(&app, &two, "203.0.113.8").await;
    assert_eq!(elsewhere.status, 202, "{:?}", elsewhere.body);
}

#[tokio::test]
async fn an_address_whose_payments_are_refused_is_put_off() {
    let variables = [
        ("FAILED_PAYMENTS_PER_MINUTE", "3"),
        ("TRUSTED_PROXIES", "1"),
    ];
    let app = TestApp::with(&variables).await;
    let (poor, rich) = (Buyer::new(1), Buyer::funded(&app, 2).await);
    for _ in 0..4 {
        let refused = lease_from(&app, &poor, "203.0.113.7").await;
        assert_eq!(refused.status, 402, "{:?}", refused.body);
    }
    let signed = rich
        .sign(&app, Method::POST, "/lease/container", Some(body()))
        .await
        .from("203.0.113.7");
    let put_off = signed.send(&app).await;
    assert_eq!(refusal(&put_off), (429, "rate_limited"));
    let rows = rusqlite::Connection::open(app.database())
        .unwrap()
        .query_row("SELECT count(*) FROM payments", [], |row| {
            row.get::<_, u32>(0)
        });
    assert_eq!(rows.unwrap(), 4, "no row for what is put off");
    assert!((15..=20).contains(&wait(&put_off)), "{}", wait(&put_off));
    let elsewhere = lease_from(&app, &rich, "203.0.113.8").await;
    assert_eq!(elsewhere.status, 200, "{:?}", elsewhere.body);
    // The payment that was put off is still valid.
    app.clock.advance(Duration::from_secs(21));
    let done = signed.send(&app).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
}

/// Otherwise a wallet with money for one call could cause facilitator requests without end and
/// never pay.
#[tokio::test]
async fn an_address_that_keeps_paying_for_refused_requests_is_put_off() {
    let variables = [
        ("FAILED_PAYMENTS_PER_MINUTE", "3"),
        ("TRUSTED_PROXIES", "1"),
    ];
    let app = TestApp::with(&variables).await;
    let (owner, thief) = (Buyer::funded(&app, 1).await, Buyer::funded(&app, 2).await);
    let leased = owner.lease(&app, body()).await;
    let path = format!("/management/console/{}", leased.body["ctid"]);
    let open = async || {
        let signed = thief.sign(&app, Method::POST, &path, None).await;
        signed.from("203.0.113.7").send(&app).await
    };
    for _ in 0..4 {
        assert_eq!(refusal(&open().await), (403, "forbidden"));
    }
    assert_eq!(refusal(&open().await), (429, "rate_limited"));
}

#[tokio::test]
async fn machines_that_are_held_count_against_their_address_once_they_are_stopped() {
    let app = TestApp::with(&[("TRUSTED_PROXIES", "1")]).await;
    app.faults.set_real(true);
    app.faults.on_settle(vec![SettleFault::LoseRequest; 100]);
    for number in 1..=4 {
        let buyer = Buyer::funded(&app, number).await;
        let held = lease_from(&app, &buyer, "203.0.113.7").await;
        assert_eq!(held.status, 202, "{:?}", held.body);
    }
    app.clock.advance(Duration::from_secs(125));
    until(
        "the held containers to be stopped and counted",
        async || {
            let held = app.app.store.live_leases().await.unwrap();
            for lease in &held {
                let events = app.app.store.events(&lease.lease_id, 0, 99).await.unwrap();
                events.iter().find(|event| event.kind == "held_stopped")?;
            }
            (held.len() == 4).then_some(())
        },
    )
    .await;
    let containers = app.sim.containers();
    assert!(containers.iter().all(|found| found.status == "stopped"));
    let fresh = Buyer::funded(&app, 5).await;
    let blocked = lease_from(&app, &fresh, "203.0.113.7").await;
    assert_eq!(refusal(&blocked), (429, "rate_limited"));
    let elsewhere = lease_from(&app, &fresh, "203.0.113.8").await;
    assert_eq!(elsewhere.status, 202, "{:?}", elsewhere.body);
}

#[tokio::test]
async fn payments_that_are_left_without_an_outcome_count_as_refused() {
    let app = TestApp::with(&[("FAILED_PAYMENTS_PER_MINUTE", "3")]).await;
    app.faults.set_real(true);
    app.faults.on_settle(vec![SettleFault::LoseRequest; 100]);
    let buyer = Buyer::funded(&app, 1).await;
    let mut codes = Vec::new();
    for _ in 0..5 {
        let answer = buyer.pay(&app, Method::GET, "/management/list", None).await;
        codes.push(answer.code().to_owned());
    }
    assert_eq!(codes[0], "payment_unresolved");
    assert_eq!(codes[4], "rate_limited", "{codes:?}");
}
