//! Replicas that share a PostgreSQL share each limit, and a service that is alone has the whole of
//! it. Ignored without PostgreSQL.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use proxmox_api::{memory::consoles::OpenConsoles, store::Replicas};
use pve::{ConsoleUse, NodeName, Vmid, terminal::TerminalLockGuard};
use pve_sim::{Fault, FaultKind, Operation};
use serde_json::json;

use crate::guest::plain_shell;
use crate::{
    buyer::Buyer,
    guest, replicas,
    support::{TestApp, until},
};

/// The time between the requests of a client until one is refused; clients can send far faster.
const BETWEEN_CALLS: Duration = Duration::from_millis(100);

/// A service on an empty database.
async fn service(more: &[(&str, &str)]) -> TestApp {
    let url = replicas::database().await;
    let variables = [&[("DATABASE", url.as_str())], more].concat();
    guest::app(plain_shell(), &variables).await
}

/// Waits until each of these replicas knows how many there are.
pub async fn know(all: &[&TestApp]) {
    until("replicas to know of each other", async || {
        let known = |app: &&TestApp| {
            app.app
                .advisory_locks
                .as_ref()
                .unwrap()
                .replicas()
                .borrow()
                .number
        };
        all.iter().all(|app| known(app) == all.len()).then_some(())
    })
    .await;
}

/// The permits for consoles that are left.
fn rooms(consoles: &OpenConsoles) -> Vec<impl Sized + use<>> {
    std::iter::from_fn(|| consoles.room_for(&"another-lease".into())).collect()
}

/// The most commands that run on a node at once.
async fn commands(app: &TestApp, first: u32) -> Vec<TerminalLockGuard> {
    let node = NodeName::new(app.sim.node()).unwrap();
    let locks = app.app.proxmox.consoles.locks();
    let all = (first..first + 10).map(|vmid| {
        let vmid = Vmid::try_from(vmid).unwrap();
        locks.acquire(&node, vmid, ConsoleUse::Exec, Duration::from_millis(500))
    });
    join_all(all).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn consoles_and_commands_of_all_replicas_stay_within_the_limit_and_a_dead_ones_share_is_used()
{
    let one = service(&[]).await;
    let two = one.beside().await;
    know(&[&one, &two]).await;
    let (ours, theirs) = (rooms(&one.app.consoles), rooms(&two.app.consoles));
    assert_eq!((ours.len(), theirs.len()), (128, 128));
    let (running, others) = tokio::join!(commands(&one, 40_200), commands(&two, 40_300));
    assert_eq!((running.len(), others.len()), (4, 4));
    drop((theirs, others));
    drop(two);
    know(&[&one]).await;
    until("this replica to have the whole limit", async || {
        let more = rooms(&one.app.consoles);
        (ours.len() + more.len() == 256).then_some(())
    })
    .await;
    let more = commands(&one, 40_400).await;
    assert_eq!(running.len() + more.len(), 8);
}

/// The number of running tasks of this kind.
fn running(app: &TestApp, kind: &str) -> usize {
    let tasks = app.sim.tasks();
    let is_running = tasks
        .iter()
        .filter(|task| task.kind == kind && task.exit_status.is_none());
    is_running.count()
}

/// The most tasks of this kind that ran at a time meanwhile.
async fn most<T>(app: &TestApp, kind: &str, work: impl Future<Output = T>) -> usize {
    let mut work = std::pin::pin!(work);
    let mut most = 0;
    loop {
        tokio::select! {
            _ = &mut work => return most,
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                most = most.max(running(app, kind));
            }
        }
    }
}

/// As many buyers lease a container each, at these replicas in turn.
async fn lease(apps: &[&TestApp], buyers: &[Buyer]) {
    let all = buyers.iter().enumerate().map(async |(number, buyer)| {
        let body = json!({"runtimeMinutes": 30, "diskGB": 2});
        let leased = buyer.lease(apps[number % apps.len()], body).await;
        assert_eq!(leased.status, 200, "{:?}", leased.body);
    });
    join_all(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_node_makes_and_stops_no_more_containers_at_a_time_than_for_one_replica() {
    let limits = [
        ("PVE_CREATES_PER_NODE", "4"),
        ("PVE_ENDS_PER_NODE", "4"),
        ("LEASES_IN_FLIGHT_PER_ADDRESS", "100"),
        ("MAX_UNPAID_LEASES", "100"),
        ("LEASE_GRACE_MINUTES", "60"),
    ];
    let one = service(&limits).await;
    let two = one.beside().await;
    know(&[&one, &two]).await;
    let mut buyers = Vec::new();
    for number in 0..16 {
        buyers.push(Buyer::funded(&one, number).await);
    }
    let slow = FaultKind::SlowTask(Duration::from_millis(500));
    let faults = one.sim.faults();
    faults.inject(Fault::always(Operation::Create, slow.clone()));
    faults.inject(Fault::always(Operation::Shutdown, slow));
    let made = most(&one, "vzcreate", lease(&[&one, &two], &buyers[..10])).await;
    assert_eq!(made, 4, "two replicas");
    let stopped = most(&one, "vzshutdown", async {
        one.clock.advance(Duration::from_secs(30 * 60 + 5));
        until("all leases to end", async || {
            let containers = one.sim.containers();
            let off = containers.iter().all(|found| found.status == "stopped");
            off.then_some(())
        })
        .await;
    });
    let stopped = stopped.await;
    assert!((2..=4).contains(&stopped), "{stopped}");
    drop(two);
    know(&[&one]).await;
    let made = most(&one, "vzcreate", lease(&[&one], &buyers[10..])).await;
    assert_eq!(made, 4, "the other has died");
}

/// The number of requests that pass before one is refused.
async fn calls_until_refused(mut call: impl AsyncFnMut() -> bool) -> usize {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut through = 0;
    while call().await {
        through += 1;
        assert!(Instant::now() < deadline, "{through} calls came through");
        tokio::time::sleep(BETWEEN_CALLS).await;
    }
    through
}

/// Whether a free request of this client passes.
async fn quote(app: &TestApp, client: &str) -> bool {
    let request = app.http.post(format!("{}/lease/quote", app.url));
    let answer = request.header("x-forwarded-for", client).send().await;
    match answer.unwrap().status().as_u16() {
        200 => true,
        429 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_client_that_goes_round_the_replicas_is_limited_as_at_one() {
    const LIMIT: usize = 60;
    let limits = [("FREE_CALLS_PER_MINUTE", "60"), ("TRUSTED_PROXIES", "1")];
    let one = service(&limits).await;
    let [two, three] = [one.beside().await, one.beside().await];
    know(&[&one, &two, &three]).await;
    let (client, neighbour, other) = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
    // The whole limit at one replica.
    let mut through = 0;
    while quote(&one, client).await {
        through += 1;
    }
    assert!((LIMIT..LIMIT + 20).contains(&through), "{through}");
    for replica in [&two, &three] {
        // Requests pass until the other replicas have sent their counts; then none does, not even
        // from the network's other addresses.
        let through = calls_until_refused(|| quote(replica, neighbour)).await;
        assert!(through < LIMIT / 2, "{through}");
        assert!(quote(replica, other).await);
    }

    // The counts of the other limits are sent as well.
    let client = Some(IpAddr::from([192, 0, 2, 7]));
    let [proofs, theirs] = [&one.app.proofs, &two.app.proofs];
    while proofs.count(client).is_ok() {}
    let through = calls_until_refused(async || theirs.count(client).is_ok()).await;
    assert!(through < LIMIT / 2, "{through}");
    while one.app.failed_payments.check(client).is_ok() {
        one.app.failed_payments.count(client);
    }
    let through = calls_until_refused(async || {
        two.app.failed_payments.count(client);
        two.app.failed_payments.check(client).is_ok()
    });
    let through = through.await;
    assert!(through < LIMIT / 2, "{through}");
}

#[tokio::test]
async fn a_service_on_a_file_has_the_whole_of_each_limit() {
    let limits = [("FREE_CALLS_PER_MINUTE", "5"), ("TRUSTED_PROXIES", "1")];
    let app = TestApp::with(&limits).await;
    assert!(app.app.advisory_locks.is_none());
    assert_eq!(rooms(&app.app.consoles).len(), 256);
    assert_eq!(commands(&app, 40_200).await.len(), 8);
    let through = join_all((0..10).map(|_| quote(&app, "192.0.2.7"))).await;
    let through = through.into_iter().filter(|is| *is).count();
    assert!((5..=6).contains(&through), "{through}");
    assert_eq!(Replicas::ALONE.share_of(4), 4);
}
