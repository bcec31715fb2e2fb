//! Replicas that share a PostgreSQL: each sees the other's work and finishes or undoes it when the
//! other dies, and nothing is done twice. Ignored without PostgreSQL.

mod deaths;
mod outage;
mod storm;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proxmox_api::store::LeaseState;
use pve_sim::ShellMode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Answer, Buyer, Signed},
    console::client,
    guest::{self, Guest, plain_shell},
    postgres::Postgres,
    support::{TestApp, until},
};

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The URL of an empty PostgreSQL database.
pub async fn database() -> String {
    blocking(|| {
        let server = Postgres::shared();
        server.url("postgres", &server.empty(), "sslmode=disable")
    })
    .await
}

/// A service on an empty database.
async fn service(shell: ShellMode, more: &[(&str, &str)]) -> TestApp {
    let url = database().await;
    let mut variables = vec![("DATABASE", url.as_str())];
    variables.extend(more);
    guest::app(shell, &variables).await
}

async fn a_lease(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30, "hostname": "box"});
    buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
}

/// Advances the clock to the next sweep of every replica.
async fn next_look(app: &TestApp) {
    app.clock.advance(Duration::from_secs(61));
}

/// Waits until no payment is unfinished. A payment of unknown outcome is asked for at growing
/// intervals, so this may take long.
pub async fn nothing_unfinished(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let payments = app.app.store.unfinished_payments().await.unwrap();
        let leases = app.app.store.unfinished_leases().await.unwrap();
        if payments.is_empty() && leases.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{payments:#?} {leases:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Kills a replica, and waits until the database knows that it is dead.
pub async fn die(one: &TestApp, two: TestApp) {
    let unfinished = one.app.store.unfinished_payments().await.unwrap();
    drop(two);
    until("the dead replica's locks to be released", async || {
        for payment in &unfinished {
            let id = &payment.payment_id;
            one.app.payments_in_work.try_take(id).await.unwrap()?;
            one.app.payments_followed.try_take(id).await.unwrap()?;
        }
        Some(())
    })
    .await;
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_lease_lives_its_whole_life_between_two_replicas() {
    let one = service(plain_shell(), &[]).await;
    let two = one.beside().await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = two.balance(buyer.wallet()).await;
    let signed = a_lease(&one, &buyer)
        .await
        .with_key("first-of-two-replicas");
    let leased = signed.send(&one).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    // The other replica serves a replay, a command, a list, a renewal and a sign-in.
    let again = signed.send(&two).await;
    assert_eq!((again.status, &again.body), (leased.status, &leased.body));
    let path = format!("/management/exec/{}", leased.body["ctid"]);
    let command = Some(json!({"command": "echo here"}));
    let done = buyer.pay(&two, Method::POST, &path, command).await;
    assert_eq!(done.body["stdout"], "here\n", "{:?}", done.body);
    let list = buyer.pay(&two, Method::GET, "/management/list", None).await;
    assert_eq!(list.status, 200, "{:?}", list.body);
    let renewed = buyer.renew(&two, &leased.body["ctid"], 30).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    let session = buyer.sign_in(&one).await;
    let leases = session.get(&two, "/leases").await;
    assert_eq!(leases.body["leases"].as_array().unwrap().len(), 1);
    let spent: u64 = session.get(&two, "/payments").await.body["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| number(&payment["amount"]))
        .sum();
    assert_eq!(one.balance(buyer.wallet()).await, before - spent);
    let path = format!("/lease/{}", leased.body["ctid"]);
    let gone = session.call(&two, Method::DELETE, &path).await;
    assert_eq!(gone.status, 200, "{:?}", gone.body);
    assert!(one.sim.containers().is_empty());
    nothing_unfinished(&one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn copies_sent_to_both_at_once_are_one_charge_and_one_container() {
    let one = service(plain_shell(), &[]).await;
    let two = one.beside().await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = one.balance(buyer.wallet()).await;
    let signed = a_lease(&one, &buyer).await;
    let copies = (0..10).map(|copy| signed.send(if copy % 2 == 0 { &one } else { &two }));
    let answers = join_all(copies).await;
    let (leased, others): (Vec<&Answer>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((leased.len(), one.sim.containers().len()), (1, 1));
    for other in others {
        assert_eq!(other.code(), "payment_replayed", "{:?}", other.body);
    }
    assert_eq!(one.faults.settlements_asked(), 1);
    let price = number(&leased[0].body["price"]["total"]);
    assert_eq!(one.balance(buyer.wallet()).await, before - price);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_lease_ends_once_whoever_ends_it() {
    let grace = [("LEASE_GRACE_MINUTES", "10")];
    let one = service(plain_shell(), &grace).await;
    let two = one.beside().await;
    let buyer = Buyer::funded(&one, 1).await;
    let ctid = guest::lease(&two, &buyer, "box").await;
    let lease = one
        .app
        .store
        .lease_by_vmid(ctid.try_into().unwrap())
        .await
        .unwrap()
        .unwrap();
    // The replica that has the deadline in memory is not needed for it.
    drop(two);
    let _three = one.beside().await;
    for (minutes, kind) in [(26, "expires_soon"), (5, "stopped"), (11, "destroyed")] {
        one.clock.advance(Duration::from_secs(minutes * 60));
        until(kind, async || {
            let events = one.app.store.events(&lease.lease_id, 0, 100).await.unwrap();
            let has_kind = events.iter().any(|event| event.kind == kind);
            has_kind.then_some(())
        })
        .await;
    }
    until("the lease to be over", async || {
        let lease = one.app.store.lease(&lease.lease_id).await.unwrap().unwrap();
        (lease.state == LeaseState::Destroyed).then_some(())
    })
    .await;
    let events = one.app.store.events(&lease.lease_id, 0, 100).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "claimed",
        "activated",
        "expires_soon",
        "stopped",
        "destroyed",
    ];
    assert_eq!(kinds, expected);
    let container = format!("/lxc/{ctid}");
    assert_eq!(one.sim.request_count("DELETE", &container), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_terminal_is_one_replicas_at_a_time_and_a_ticket_opens_it_at_either() {
    let app = service(plain_shell(), &[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = guest::lease(&app, &buyer, "box").await;
    let (app, other) = (app.beside().await, app);
    let two = Guest {
        app: other,
        buyer: buyer.clone(),
        ctid,
    };
    let one = Guest { app, buyer, ctid };
    let ticket = client::ticket(&one).await;
    let mut console = client::connect(&two, &ticket).await;
    console.opened(&two).await;
    console.keys("\r").await;
    console.until("# ").await;
    let command = json!({"command": "true"});
    let refused = one
        .refused(409, "console_in_use", one.exec(command.clone()))
        .await;
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("an open console"), "{message}");
    let used = client::connect(&one, &ticket).await.closed().await;
    assert_ne!(used.0, 1000, "a ticket is used once: {used:?}");
    // The newest connection has the terminal, at either replica.
    let (newer, _) = client::open(&one).await;
    let taken = console.closed().await;
    assert_eq!(taken.0, 4411, "{taken:?}");
    newer.leave().await;
    until("the terminal to be free", async || {
        (one.exec(command.clone()).await.status == 200).then_some(())
    })
    .await;
    // Commands wait for each other.
    let slow = json!({"command": "mkdir busy || exit 9; sleep 0.3; rmdir busy"});
    let both = join_all([one.exec(slow.clone()), two.exec(slow)]).await;
    for answer in both {
        assert_eq!(answer.body["exitCode"], 0, "{:?}", answer.body);
    }
}
