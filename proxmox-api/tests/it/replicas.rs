//! Replicas that share a PostgreSQL: what one began the other knows, what one leaves behind when it dies the other finishes or
//! takes back, and nothing is done twice. Left out where PostgreSQL is not installed.

use std::{
    ops::Deref,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::join_all, stream};
use proxmox_api::{
    lease::{LeaseState, reconcile},
    store::PaymentState,
};
use pve_sim::{Fault, FaultKind, Operation, ShellMode, Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::{Answer, Buyer, Signed},
    console::client,
    guest::{self, Guest, plain_shell},
    postgres::Postgres,
    support::{TestApp, until},
};

/// A replica that can die: everything of it runs on a runtime of its own.
pub struct Mortal {
    app: Option<TestApp>,
    runtime: Option<Runtime>,
}

impl Mortal {
    pub async fn beside(app: &TestApp) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let app = app.beside(runtime.handle()).await;
        Self {
            app: Some(app),
            runtime: Some(runtime),
        }
    }
}

impl Deref for Mortal {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        self.app.as_ref().unwrap()
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
        self.app.take();
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The address of an empty database; none where PostgreSQL is not installed.
pub async fn database() -> Option<String> {
    blocking(|| {
        let server = Postgres::shared()?;
        Some(server.url("postgres", &server.empty(), "sslmode=disable"))
    })
    .await
}

/// A service on an empty database.
async fn service(shell: ShellMode, more: &[(&str, &str)]) -> Option<TestApp> {
    let url = database().await?;
    let mut variables = vec![("DATABASE", url.as_str())];
    variables.extend(more);
    Some(guest::app(shell, &variables).await)
}

async fn a_lease(app: &TestApp, buyer: &Buyer) -> Signed {
    let body = json!({"runtimeMinutes": 30, "hostname": "box"});
    buyer
        .sign(app, Method::POST, "/lease/container", Some(body))
        .await
}

/// Puts the clock forward to the next look of every replica.
async fn next_look(app: &TestApp) {
    app.clock.advance(Duration::from_secs(61));
}

/// A payment of unknown outcome is asked for at growing intervals, so that this may take its time.
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
pub async fn die(one: &TestApp, two: Mortal) {
    let unfinished = one.app.store.unfinished_payments().await.unwrap();
    drop(two);
    until("what the dead replica held to be free", async || {
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
async fn a_lease_lives_its_whole_life_between_two_replicas() {
    let Some(one) = service(plain_shell(), &[]).await else {
        return;
    };
    let two = Mortal::beside(&one).await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = two.balance(buyer.wallet()).await;
    let signed = a_lease(&one, &buyer)
        .await
        .with_key("first-of-two-replicas");
    let leased = signed.send(&one).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    // A replay, a command, a list, a renewal and a sign-in by the other one.
    let again = signed.send(&two).await;
    assert_eq!((again.status, &again.body), (leased.status, &leased.body));
    let path = format!("/management/exec/{}", leased.body["ctid"]);
    let command = Some(json!({"command": "echo here"}));
    let done = buyer.pay(&two, Method::POST, &path, command).await;
    assert_eq!(done.body["stdout"], "here\n", "{:?}", done.body);
    let list = buyer.pay(&two, Method::GET, "/management/list", None).await;
    assert_eq!(list.status, 200, "{:?}", list.body);
    let path = format!("/lease/{}/renew", leased.body["ctid"]);
    let renewal = Some(json!({"runtimeMinutes": 30}));
    let renewed = buyer.pay(&two, Method::POST, &path, renewal).await;
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
async fn copies_sent_to_both_at_once_are_one_charge_and_one_container() {
    let Some(one) = service(ShellMode::Toy, &[]).await else {
        return;
    };
    let two = Mortal::beside(&one).await;
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
async fn what_a_dead_replica_was_making_is_taken_back_and_the_payment_given_back() {
    let Some(one) = service(ShellMode::Toy, &[]).await else {
        return;
    };
    let two = Mortal::beside(&one).await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = one.balance(buyer.wallet()).await;
    let signed = a_lease(&one, &buyer).await;
    let slow = FaultKind::SlowTask(Duration::from_secs(3));
    one.sim.faults().inject(Fault::once(Operation::Start, slow));
    let (copy, url) = (signed.clone(), two.url.clone());
    let (name, value) = copy.payment.to_header();
    let request = one
        .http
        .post(format!("{url}{}", copy.path))
        .header(name, value);
    let asked = tokio::spawn(request.json(&copy.body).send());
    until("the container to be there", async || {
        let leases = one.app.store.unfinished_leases().await.unwrap();
        let created = |state| matches!(state, LeaseState::Created);
        leases
            .iter()
            .any(|lease| created(lease.state))
            .then_some(())
    })
    .await;
    // As long as it lives, a look leaves its work alone.
    next_look(&one).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let payments = one.app.store.unfinished_payments().await.unwrap();
    assert_eq!(payments[0].state, PaymentState::Verified);
    die(&one, two).await;
    assert!(asked.await.unwrap().is_err());
    next_look(&one).await;
    nothing_unfinished(&one).await;
    assert!(one.sim.containers().is_empty());
    assert_eq!(one.balance(buyer.wallet()).await, before);
    // The signature was given back and is good for another try.
    let leased = signed.send(&one).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_replica_had_paid_for_is_delivered_by_the_other() {
    let Some(one) = service(ShellMode::Toy, &[]).await else {
        return;
    };
    let two = Mortal::beside(&one).await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = one.balance(buyer.wallet()).await;
    let signed = a_lease(&one, &buyer).await.with_key("paid-before-the-end");
    one.faults.on_settle([SettleFault::LoseAnswer]);
    assert_eq!(signed.send(&two).await.status, 202);
    die(&one, two).await;
    next_look(&one).await;
    nothing_unfinished(&one).await;
    let leased = signed.send(&one).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    let price = number(&leased.body["price"]["total"]);
    assert_eq!(one.balance(buyer.wallet()).await, before - price);
    assert_eq!(one.sim.containers().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_once_whoever_ends_it() {
    let grace = [("LEASE_GRACE_MINUTES", "10")];
    let Some(one) = service(ShellMode::Toy, &grace).await else {
        return;
    };
    let two = Mortal::beside(&one).await;
    let buyer = Buyer::funded(&one, 1).await;
    let ctid = guest::lease(&two, &buyer, "box").await;
    let lease = one
        .app
        .store
        .lease_by_vmid(ctid.try_into().unwrap())
        .await
        .unwrap()
        .unwrap();
    // The replica that knows the deadline by itself is not needed for it.
    drop(two);
    let _three = Mortal::beside(&one).await;
    for minutes in [26, 5, 11] {
        one.clock.advance(Duration::from_secs(minutes * 60));
        tokio::time::sleep(Duration::from_millis(500)).await;
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
async fn a_terminal_is_one_replicas_at_a_time_and_a_ticket_opens_it_at_either() {
    let Some(app) = service(plain_shell(), &[]).await else {
        return;
    };
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = guest::lease(&app, &buyer, "box").await;
    let runtime = tokio::runtime::Handle::current();
    let (app, other) = (app.beside(&runtime).await, app);
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
    // The newest has it, wherever it comes.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_a_503_and_work_goes_on_when_it_is_back() {
    let Some(postgres) = blocking(Postgres::start).await else {
        return;
    };
    let postgres = Arc::new(postgres);
    let control = async |work: fn(&Postgres)| {
        let postgres = Arc::clone(&postgres);
        blocking(move || work(&postgres)).await;
    };
    let url = {
        let postgres = Arc::clone(&postgres);
        blocking(move || postgres.url("postgres", &postgres.empty(), "sslmode=disable")).await
    };
    let one = guest::app(ShellMode::Toy, &[("DATABASE", &url)]).await;
    let buyer = Buyer::funded(&one, 1).await;
    let before = one.balance(buyer.wallet()).await;
    // In the middle of a lease.
    let slow = FaultKind::SlowTask(Duration::from_millis(1500));
    one.sim.faults().inject(Fault::once(Operation::Start, slow));
    let signed = a_lease(&one, &buyer)
        .await
        .with_key("cut-off-from-the-server");
    let (answer, ()) = tokio::join!(signed.send(&one), async {
        until("the container to be there", async || {
            let leases = one.app.store.unfinished_leases().await.unwrap();
            let created = |state| matches!(state, LeaseState::Created);
            leases
                .iter()
                .any(|lease| created(lease.state))
                .then_some(())
        })
        .await;
        control(Postgres::crash).await;
        let other = buyer
            .sign(
                &one,
                Method::POST,
                "/lease/container",
                Some(json!({"runtimeMinutes": 5})),
            )
            .await;
        let start = Instant::now();
        let refused = other.send(&one).await;
        assert_eq!(refused.status, 503, "{:?}", refused.body);
        assert_eq!(refused.code(), "unavailable");
        assert!(start.elapsed() < Duration::from_secs(15));
        control(Postgres::start_again).await;
    });
    assert!(
        matches!(answer.status.as_u16(), 200 | 503),
        "{:?}",
        answer.body
    );
    // The same service, without a restart.
    let leased = until("the lease to be had", async || {
        next_look(&one).await;
        let answer = signed.send(&one).await;
        assert!(
            matches!(answer.status.as_u16(), 200 | 202 | 402 | 409 | 502 | 503),
            "{:?}",
            answer.body
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
        let signed = if answer.status == 402 {
            a_lease(&one, &buyer).await
        } else {
            signed.clone()
        };
        let answer = signed.send(&one).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    next_look(&one).await;
    nothing_unfinished(&one).await;
    let price = number(&leased.body["price"]["total"]);
    assert_eq!(one.balance(buyer.wallet()).await, before - price);
    assert_eq!(one.sim.containers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_over_replicas_that_die_leaves_books_and_machines_equal() {
    const LEASES: u64 = 60;
    const WALLETS: u64 = 10;
    let Some(url) = database().await else {
        return;
    };
    let config = SimConfig {
        time_scale: 0.01,
        shell: ShellMode::Toy,
        ..SimConfig::default()
    };
    let sim = Sim::start(config).await.unwrap();
    let more = [
        ("DATABASE", url.as_str()),
        ("LEASES_IN_FLIGHT_PER_WALLET", "4"),
        ("LEASES_IN_FLIGHT_PER_ADDRESS", "100"),
        ("MAX_UNPAID_LEASES", "200"),
    ];
    let one = TestApp::on(sim, &more).await;
    let mut buyers = Vec::new();
    for number in 0..WALLETS {
        buyers.push(Buyer::funded(&one, number).await);
    }
    let mut money = 0;
    for buyer in &buyers {
        money += one.balance(buyer.wallet()).await;
    }
    crate::storm::inject(&one);
    let body = json!({"runtimeMinutes": 60});
    let mut two = Mortal::beside(&one).await;
    let urls = Mutex::new([one.url.clone(), two.url.clone()]);
    let mut customers = std::pin::pin!(
        stream::iter(0..LEASES)
            .map(|number| {
                let (one, urls, body) = (&one, &urls, &body);
                let buyer = &buyers[usize::try_from(number % WALLETS).unwrap()];
                async move {
                    let signed = buyer
                        .sign(one, Method::POST, "/lease/container", Some(body.clone()))
                        .await;
                    for attempt in 0..40 {
                        let url = urls.lock().unwrap()[(number as usize + attempt) % 2].clone();
                        let (name, value) = signed.payment.to_header();
                        let request = one
                            .http
                            .post(format!("{url}/lease/container"))
                            .json(body)
                            .header(name, value)
                            .header("idempotency-key", format!("storm-customer-{number:04}"));
                        if let Ok(answer) = request.send().await {
                            match answer.status().as_u16() {
                                200 => return true,
                                402 => return false,
                                202 | 409 | 429 | 502..=504 => {}
                                // A replica that dies here takes a moment for it, unlike a process.
                                500 => {
                                    let body = answer.text().await.unwrap_or_default();
                                    assert!(
                                        body.is_empty() || body.contains("broke off"),
                                        "{body}"
                                    );
                                }
                                other => panic!("{other}"),
                            }
                        }
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    false
                }
            })
            .buffer_unordered(16)
    );
    let mut told = 0;
    let mut done = 0;
    while let Some(leased) = customers.next().await {
        told += u32::from(leased);
        done += 1;
        if done % 15 == 0 {
            // A look at what the one before left; what this one leaves is not looked at while its last writes are on their way.
            next_look(&one).await;
            drop(two);
            two = Mortal::beside(&one).await;
            urls.lock().unwrap()[1] = two.url.clone();
        }
    }
    one.sim.faults().clear();
    assert!(told > 30, "{told} of {LEASES} leased");
    die(&one, two).await;
    // One look may find a payment that was touched less than a minute before.
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        next_look(&one).await;
    }
    nothing_unfinished(&one).await;
    let counts = one.app.store.lease_counts().await.unwrap();
    let active = counts.get("active").copied().unwrap_or(0);
    until("machines to be equal to the books", async || {
        // A creation that was under way when its replica died may have ended after it was taken back: an orphan.
        let found = reconcile::compare(&one.app).await.unwrap();
        assert_eq!(found.lost, [""; 0]);
        let containers = one.sim.containers();
        let running = containers.iter().filter(|found| found.status == "running");
        let all = u32::try_from(containers.len()).unwrap() == active;
        (all && u32::try_from(running.count()).unwrap() == active).then_some(())
    })
    .await;
    assert!(active >= told, "{active} active, {told} told");
    let mut left = 0;
    for buyer in &buyers {
        left += one.balance(buyer.wallet()).await;
    }
    let sample = buyers[0].sign(&one, Method::POST, "/lease/container", Some(body.clone()));
    let price = u64::try_from(sample.await.payment.authorization().value).unwrap();
    assert_eq!(money - left, price * u64::from(active));
}
