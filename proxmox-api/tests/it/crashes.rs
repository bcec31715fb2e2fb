//! A process ends at every step of the work for a payment, and the next process finds the state
//! that it left. One run for each step: before each effect of the payment's machine, and after each
//! request that Proxmox has executed and not answered. In the end money has moved if and only if it
//! was delivered or is owed, and no container is unpaid. All of it runs on both databases.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use std::time::Duration;

use proxmox_api::{
    ids::LeaseId,
    operations::sweep::sweep,
    payment_machine::{NewState, PaymentEffect},
    store::PaymentState,
};
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::{Value, json};
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::{Answer, Buyer, Signed, call},
    guest::{self, plain_shell},
    replicas::{database, die, nothing_unfinished},
    support::{TestApp, until},
};

/// Longer than any of these runs takes.
const NEVER: Duration = Duration::from_secs(600);
/// More steps than any purchase has.
const MOST_STEPS: u32 = 60;
const MINUTES: i64 = 30;

/// The step at which the process ends.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Before this effect of the machine.
    PaymentEffect(u32),
    /// After this request was executed by Proxmox.
    Proxmox(u32),
}

/// What is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purchase {
    Lease,
    Renewal,
    Command,
    Console,
    List,
}

/// One run: a service, a customer, the customer's state before, and the purchase.
struct Run {
    app: TestApp,
    buyer: Buyer,
    before: u64,
    /// The lease that the purchase is about, and its end.
    lease: Option<(LeaseId, i64)>,
    purchase: Purchase,
    signed: Signed,
    ctid: Value,
    /// The first step that was not executed.
    undone: Arc<Mutex<Option<PaymentEffect>>>,
}

impl Run {
    async fn new(url: Option<&str>, purchase: Purchase) -> Self {
        let variables: Vec<_> = url.map(|url| ("DATABASE", url)).into_iter().collect();
        let app = guest::app(plain_shell(), &variables).await;
        let buyer = Buyer::funded(&app, 1).await;
        let (mut lease, mut ctid) = (None, Value::Null);
        if matches!(
            purchase,
            Purchase::Renewal | Purchase::Command | Purchase::Console
        ) {
            let body = json!({"runtimeMinutes": MINUTES, "hostname": "box"});
            let leased = buyer.lease(&app, body).await;
            assert_eq!(leased.status, 200, "{:?}", leased.body);
            ctid = leased.body["ctid"].clone();
            let id: LeaseId = leased.body["leaseId"].as_str().unwrap().into();
            let row = app.app.store.lease(&id).await.unwrap().unwrap();
            lease = Some((id, row.expires_at.unwrap()));
        }
        let (method, path, body) = match purchase {
            Purchase::Lease => (
                Method::POST,
                "/lease/container".to_owned(),
                Some(json!({"runtimeMinutes": MINUTES, "hostname": "box"})),
            ),
            Purchase::Renewal => (
                Method::POST,
                format!("/lease/{ctid}/renew"),
                Some(json!({"runtimeMinutes": MINUTES})),
            ),
            Purchase::Command => (
                Method::POST,
                format!("/management/exec/{ctid}"),
                Some(json!({ "command": "echo once >> runs" })),
            ),
            Purchase::Console => (Method::POST, format!("/management/console/{ctid}"), None),
            Purchase::List => (Method::GET, "/management/list".to_owned(), None),
        };
        let signed = buyer.sign(&app, method, &path, body).await;
        let signed = signed.with_key("a-key-of-this-customer");
        let before = app.balance(buyer.wallet()).await;
        Self {
            app,
            buyer,
            before,
            lease,
            purchase,
            signed,
            ctid,
            undone: Arc::default(),
        }
    }

    /// Sends the purchase to a process that ends at this step; returns the answer if it never
    /// reached the step.
    async fn crash_at(&mut self, step: Step) -> Option<Answer> {
        let dying = self.app.beside().await;
        let (reached, seen) = (Arc::new(AtomicBool::new(false)), AtomicU32::new(0));
        let hits = self.app.sim.faults().hits();
        match step {
            Step::PaymentEffect(number) => {
                let (reached, undone) = (Arc::clone(&reached), Arc::clone(&self.undone));
                dying.app.checkpoint.set(move |effect| {
                    let reached = Arc::clone(&reached);
                    let here = seen.fetch_add(1, Ordering::SeqCst) == number;
                    if here {
                        *undone.lock().unwrap() = Some(effect.clone());
                    }
                    Box::pin(async move {
                        if here {
                            reached.store(true, Ordering::SeqCst);
                            std::future::pending::<()>().await;
                        }
                    })
                });
            }
            Step::Proxmox(number) => {
                let late = Fault::once(Operation::Any, FaultKind::Late(NEVER));
                self.app.sim.faults().inject(late.after(number));
            }
        }
        let crashed = async {
            loop {
                let late = self.app.sim.faults().hits() > hits;
                if late || reached.load(Ordering::SeqCst) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let answer = tokio::select! {
            biased;
            () = crashed => None,
            answer = self.signed.send(&dying) => Some(answer),
        };
        die(&self.app, dying).await;
        self.app.sim.faults().clear();
        self.app.restart().await;
        answer
    }

    /// Sends the purchase again until the answer is final.
    async fn ask_again(&self) -> Answer {
        until("the purchase to end", async || {
            let answer = self.signed.send(&self.app).await;
            is_over(&answer).then_some(answer)
        })
        .await
    }

    /// How often the command has run in the container.
    async fn runs(&self) -> usize {
        let path = format!("/management/exec/{}", self.ctid);
        let body = Some(json!({"command": "cat runs 2>/dev/null"}));
        let read = self.buyer.pay(&self.app, Method::POST, &path, body).await;
        assert_eq!(read.status, 200, "{:?}", read.body);
        read.body["stdout"].as_str().unwrap().lines().count()
    }

    /// Whether the purchase may end otherwise than delivered. A customer who retries until the
    /// payment is over is delivered to, unless the facilitator refuses or the outcome of a command
    /// that was begun is lost.
    fn may_fail(&self, fault: Option<&SettleFault>) -> bool {
        let lost = matches!(
            *self.undone.lock().unwrap(),
            Some(PaymentEffect::Deliver | PaymentEffect::Store(NewState::Answered(_)))
        );
        matches!(fault, Some(SettleFault::Refuse(_))) || self.purchase == Purchase::Command && lost
    }

    /// Compares the payments with the leases, containers and debts.
    async fn judge(&self, told: &Answer, fault: Option<&SettleFault>, case: &str) {
        let app = &self.app;
        // Past the sweep, and past the time in which a request without a key can be repeated.
        for _ in 0..2 {
            app.clock.advance(Duration::from_secs(61));
            sweep(&app.app).await.unwrap();
        }
        nothing_unfinished(app).await;
        let store = &app.app.store;
        let wallet = self.buyer.wallet().into();
        let rows = store.payments_by_payer(&wallet, None, 99).await.unwrap();
        let row = &rows[0];
        let (mut paid, mut owed) = (0, 0);
        if matches!(row.state, PaymentState::Answered | PaymentState::Settled) {
            paid = row.amount;
            owed = row.due;
        }
        let spent = self.before - app.balance(self.buyer.wallet()).await;
        assert_eq!(spent, paid, "{case}: {row:?}, {:?}", told.body);
        let delivered = paid > 0 && owed == 0;
        assert!(delivered || self.may_fail(fault), "{case}: {row:?}");
        match told.status.as_u16() {
            200 => assert!(delivered, "{case}: {row:?}"),
            402 => assert_eq!(paid, 0, "{case}: {row:?}"),
            409 => assert_eq!(
                (told.code(), owed),
                ("payment_owed", paid),
                "{case}: {row:?}"
            ),
            _ => panic!("{case}: {} {:?}", told.status, told.body),
        }
        let containers = app.sim.containers();
        let running = containers
            .iter()
            .filter(|one| one.status == "running")
            .count();
        let mut leases = store.live_leases_of(&wallet).await.unwrap();
        leases.extend(store.ended_leases_of(&wallet, None, 99).await.unwrap());
        let begun = leases.iter().filter(|one| one.lease.expires_at.is_some());
        let live = begun.count();
        assert_eq!((containers.len(), running), (live, live), "{case}");
        match self.purchase {
            Purchase::Lease => assert_eq!(live, usize::from(delivered), "{case}"),
            Purchase::Command => {
                let runs = self.runs().await;
                let fits = if delivered {
                    runs == 1
                } else {
                    runs <= 1 && (runs == 0 || owed > 0)
                };
                assert!(fits, "{case}: run {runs} times, {row:?}");
            }
            Purchase::Renewal => {
                let (id, end) = self.lease.as_ref().unwrap();
                let row = store.lease(id).await.unwrap().unwrap();
                let more = if delivered { MINUTES * 60 } else { 0 };
                assert_eq!(row.expires_at, Some(end + more), "{case}");
            }
            Purchase::Console if delivered && told.status == 200 => {
                let ticket = told.body["ticket"].as_str().unwrap();
                assert!(!ticket.is_empty(), "{case}");
            }
            Purchase::Console | Purchase::List => {}
        }
    }
}

/// Whether the answer is final, so that the customer need not retry.
fn is_over(answer: &Answer) -> bool {
    let waits = [
        "payment_in_progress",
        "payment_unresolved",
        "facilitator_unavailable",
    ];
    answer.status != 202 && !waits.contains(&answer.code())
}

/// One run for each step; returns their number.
async fn every_step(
    url: impl AsyncFn() -> Option<String>,
    purchase: Purchase,
    fault: Option<SettleFault>,
    step: fn(u32) -> Step,
) -> u32 {
    for number in 0..MOST_STEPS {
        let url = url().await;
        let mut run = Run::new(url.as_deref(), purchase).await;
        run.app.faults.on_settle(fault.clone());
        let case = format!("{purchase:?}, {fault:?}, {:?}", step(number));
        let answer = run.crash_at(step(number)).await;
        let told = match &answer {
            // A final answer stays true afterwards.
            Some(answer) if is_over(answer) => answer.clone(),
            _ => run.ask_again().await,
        };
        run.judge(&told, fault.as_ref(), &case).await;
        if answer.is_some() {
            return number;
        }
    }
    panic!("{purchase:?} has more than {MOST_STEPS} steps");
}

async fn on_sqlite() -> Option<String> {
    None
}

async fn on_postgresql() -> Option<String> {
    Some(database().await)
}

/// The facilitator's answers to the first settlement.
fn settlements() -> [Option<SettleFault>; 5] {
    [
        None,
        Some(SettleFault::Refuse("insufficient_funds".into())),
        Some(SettleFault::Unsent("no connection".into())),
        Some(SettleFault::LoseAnswer),
        Some(SettleFault::LoseRequest),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_of_a_lease_loses_nothing() {
    for fault in settlements() {
        let steps = every_step(on_sqlite, Purchase::Lease, fault, Step::PaymentEffect).await;
        assert!(steps >= 5, "{steps} effects");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_request_to_proxmox_loses_nothing() {
    let steps = every_step(on_sqlite, Purchase::Lease, None, Step::Proxmox).await;
    assert!(steps >= 6, "{steps} requests");
    // The requests of the container's removal count too.
    let refused = Some(SettleFault::Refuse("insufficient_funds".into()));
    let more = every_step(on_sqlite, Purchase::Lease, refused, Step::Proxmox).await;
    assert!(more > steps, "{more} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_of_a_call_loses_nothing() {
    for purchase in [
        Purchase::Renewal,
        Purchase::Command,
        Purchase::Console,
        Purchase::List,
    ] {
        let steps = every_step(on_sqlite, purchase, None, Step::PaymentEffect).await;
        assert!(steps >= 5, "{steps} effects");
        let lost = Some(SettleFault::LoseAnswer);
        every_step(on_sqlite, purchase, lost, Step::PaymentEffect).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_replica_that_ends_at_any_step_leaves_the_rest_to_another() {
    for fault in settlements() {
        every_step(on_postgresql, Purchase::Lease, fault, Step::PaymentEffect).await;
    }
    for purchase in [Purchase::Renewal, Purchase::Command, Purchase::Console] {
        every_step(on_postgresql, purchase, None, Step::PaymentEffect).await;
    }
    every_step(on_postgresql, Purchase::Lease, None, Step::Proxmox).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_at_most_ten_durable_writes_and_a_call_at_most_four() {
    for (purchase, most) in [
        (Purchase::Lease, 10),
        (Purchase::Renewal, 5),
        (Purchase::Command, 4),
        (Purchase::Console, 4),
        (Purchase::List, 4),
    ] {
        // Background jobs write as well; they only add to the count.
        let mut fewest = u64::MAX;
        for _ in 0..5 {
            let run = Run::new(None, purchase).await;
            let before = run.app.app.store.writes();
            let told = run.signed.send(&run.app).await;
            assert_eq!(told.status, 200, "{:?}", told.body);
            fewest = fewest.min(run.app.app.store.writes() - before);
        }
        assert!(
            (3..=most).contains(&fewest),
            "{purchase:?}: {fewest} durable writes"
        );
    }
    // The counter works.
    let run = Run::new(None, Purchase::List).await;
    assert!(run.app.app.store.writes() > 0);
    let path = "/management/list";
    let refused = call(&run.app, &Method::GET, path, None, &[]).await;
    assert_eq!(refused.status, 402);
}
