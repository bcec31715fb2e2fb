//! Many leases, on nodes of which one may be slow. Each lease ends in time, and a reconciliation
//! costs no more for thousands of containers than for one.

use std::time::Duration;

use crate::guest::plain_shell;
use proxmox_api::{lease::comparing::reconcile, store::LeaseState};
use pve_sim::{Fault, FaultKind, Operation, Sim, SimConfig};
use serde_json::json;

use crate::{
    buyer::Buyer,
    replicas, shared_limits,
    support::{TestApp, until},
};

/// Enough resources for all leases of a test.
const ROOM: [(&str, &str); 3] = [
    ("PVE_NODE", "auto"),
    ("LEASES_IN_FLIGHT_PER_ADDRESS", "100"),
    ("LEASE_GRACE_MINUTES", "60"),
];

async fn cluster(nodes: &[&str], more: &[(&str, &str)]) -> TestApp {
    let config = SimConfig {
        time_scale: 0.002,
        shell: plain_shell(),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        ..SimConfig::default()
    };
    let variables = [&ROOM, more].concat();
    let app = TestApp::on(Sim::start(config).await.unwrap(), &variables).await;
    // The service's own first reconciliation is over, so that it sees none of the test's changes.
    until("the first comparison", async || {
        (app.sim.request_count("GET", "/cluster/resources") > 0).then_some(())
    })
    .await;
    app
}

/// The container of a new lease of this many minutes, on this node.
async fn leased(app: &TestApp, number: u64, minutes: u32, node: &str) -> u32 {
    let buyer = Buyer::funded(app, number).await;
    let body = json!({"runtimeMinutes": minutes, "diskGB": 2});
    let leased = buyer.lease(app, body).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    let ctid = u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap();
    if app.sim.container(ctid).unwrap().node != node {
        app.sim.migrate(ctid, node);
    }
    ctid
}

fn is_off(app: &TestApp, ctid: u32) -> bool {
    app.sim.container(ctid).unwrap().status == "stopped"
}

/// The number of shutdowns that run.
fn shutdowns(app: &TestApp) -> usize {
    let tasks = app.sim.tasks();
    let running = |kind: &str, exit: &Option<String>| kind == "vzshutdown" && exit.is_none();
    let running = tasks
        .iter()
        .filter(|task| running(&task.kind, &task.exit_status));
    running.count()
}

#[tokio::test]
async fn a_lease_that_ends_during_long_shutdowns_is_stopped_meanwhile() {
    const LONG: usize = 12;
    let app = cluster(&["pve"], &[]).await;
    for number in 0..LONG {
        leased(&app, number as u64, 5, "pve").await;
    }
    let later = leased(&app, 100, 6, "pve").await;
    let long = FaultKind::SlowTask(Duration::from_secs(60));
    let times = u32::try_from(LONG).unwrap();
    let faults = app.sim.faults();
    faults.inject(Fault::times(Operation::Shutdown, long, times));
    app.clock.advance(Duration::from_secs(5 * 60 + 5));
    until("the long shutdowns", async || {
        (shutdowns(&app) == LONG).then_some(())
    })
    .await;
    app.clock.advance(Duration::from_secs(60));
    until("the later lease to be stopped", async || {
        is_off(&app, later).then_some(())
    })
    .await;
    assert_eq!(shutdowns(&app), LONG, "the others are not over yet");
    let metrics = app.http.get(format!("{}/metrics", app.url)).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let late = "lease_end_lateness_seconds_count{step=\"stop\"}";
    assert!(metrics.contains(late), "{metrics}");
}

#[tokio::test]
async fn a_node_that_hangs_keeps_no_lease_of_another_node_from_ending() {
    const HANGING: u64 = 10;
    // Fewer permits than leases on the node that hangs.
    let app = cluster(&["pve", "pve2"], &[("PVE_ENDS_PER_NODE", "3")]).await;
    let mut hanging = Vec::new();
    for number in 0..HANGING {
        hanging.push(leased(&app, number, 5, "pve2").await);
    }
    let other = leased(&app, 100, 6, "pve").await;
    reconcile::compare(&app.app).await.unwrap();
    let late = FaultKind::Late(Duration::from_secs(120));
    let node = Operation::Path("/nodes/pve2/".into());
    app.sim.faults().inject(Fault::always(node, late));
    let hits = app.sim.faults().hits();
    app.clock.advance(Duration::from_secs(5 * 60 + 5));
    until("the ends on the node to hang", async || {
        (app.sim.faults().hits() >= hits + 3).then_some(())
    })
    .await;
    app.clock.advance(Duration::from_secs(60));
    until("the lease of the other node to be stopped", async || {
        is_off(&app, other).then_some(())
    })
    .await;
    assert!(hanging.iter().all(|ctid| !is_off(&app, *ctid)));
}

#[tokio::test]
async fn a_node_has_no_more_ends_at_a_time_than_it_has_places() {
    let app = cluster(&["pve"], &[("PVE_ENDS_PER_NODE", "3")]).await;
    let mut all = Vec::new();
    for number in 0..9 {
        all.push(leased(&app, number, 5, "pve").await);
    }
    let slow = FaultKind::SlowTask(Duration::from_millis(300));
    app.sim
        .faults()
        .inject(Fault::always(Operation::Shutdown, slow));
    app.clock.advance(Duration::from_secs(5 * 60 + 5));
    let mut most = 0;
    until("all leases to be stopped", async || {
        most = most.max(shutdowns(&app));
        all.iter().all(|ctid| is_off(&app, *ctid)).then_some(())
    })
    .await;
    assert_eq!(most, 3);
    assert_eq!(app.sim.request_count("POST", "/status/shutdown"), 9);
}

/// Multiplies the row of one lease to many live leases on this node. Their containers are copies on
/// the first node, which the cluster's list shows as theirs.
async fn multiplied(app: &TestApp, copies: u32, node: &str, with_containers: bool) {
    let first = leased(app, 1, 600, "pve").await;
    reconcile::compare(&app.app).await.unwrap();
    let rows = rusqlite::Connection::open(app.database()).unwrap();
    rows.busy_timeout(Duration::from_secs(5)).unwrap();
    rows.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TEMP TABLE payment AS SELECT * FROM payments LIMIT 1;
         CREATE TEMP TABLE lease AS SELECT * FROM leases LIMIT 1;",
    )
    .unwrap();
    for number in 0..copies {
        let vmid = 45_000 + number;
        rows.execute_batch(&format!(
            "UPDATE lease SET node = '{node}';
             UPDATE payment SET payment_id = 'pay-{vmid}', nonce = 'nonce-{vmid}',
                 idempotency_key = NULL, transaction_hash = NULL, log_index = NULL;
             INSERT INTO payments SELECT * FROM payment;
             UPDATE lease SET lease_id = 'lease-{vmid}', payment_id = 'pay-{vmid}', vmid = {vmid};
             INSERT INTO leases SELECT * FROM lease;"
        ))
        .unwrap();
        if with_containers {
            app.sim.clone_container(first, vmid, Some("infra402"));
        }
    }
    rows.execute_batch("COMMIT").unwrap();
}

/// The requests to Proxmox in one reconciliation, and the changes that were written.
async fn cost(app: &TestApp) -> (Vec<String>, u64) {
    app.sim.clear_requests();
    let before = app.app.store.writes();
    reconcile::compare(&app.app).await.unwrap();
    let asked = app.sim.requests().into_iter();
    let asked = asked.map(|request| format!("{} {}", request.method, request.path));
    (asked.collect(), app.app.store.writes() - before)
}

#[tokio::test]
async fn a_comparison_of_five_hundred_leases_costs_as_much_as_one_of_a_few() {
    let app = cluster(&["pve", "pve2"], &[]).await;
    multiplied(&app, 500, "pve", true).await;
    // The first reconciliation stores which of them run.
    cost(&app).await;
    let (asked, writes) = cost(&app).await;
    let lists = asked
        .iter()
        .filter(|one| one.contains("/cluster/resources"));
    assert_eq!(lists.count(), 1, "{asked:?}");
    assert!(asked.len() <= 10, "{asked:?}");
    // Traffic is read and written for 256 leases at a time.
    assert!(writes <= 3, "{writes} changes");
}

#[tokio::test]
async fn containers_that_are_gone_need_one_list_together() {
    let app = cluster(&["pve"], &[]).await;
    multiplied(&app, 60, "pve", false).await;
    let (asked, _) = cost(&app).await;
    let count = |part: &str| asked.iter().filter(|one| one.contains(part)).count();
    assert_eq!(count("/cluster/resources"), 1, "{asked:?}");
    assert_eq!((count("/config"), count("/cluster/nextid")), (60, 60));
    let gone = app.app.store.gone_containers().await.unwrap();
    assert_eq!(gone.len(), 60);
}

/// As after the death of a node, when high availability has moved its containers to another node.
#[tokio::test]
async fn containers_that_have_moved_need_one_list_together() {
    let app = cluster(&["pve", "pve2"], &[]).await;
    multiplied(&app, 60, "pve2", true).await;
    for vmid in 45_000..45_060 {
        let text = app.sim.container(vmid).unwrap().description.unwrap();
        let first = app.sim.containers()[0].vmid.to_string();
        let lease = app
            .app
            .store
            .lease_by_vmid(app.sim.containers()[0].vmid.try_into().unwrap());
        let lease = lease.await.unwrap().unwrap().lease_id;
        let own = text.replace(lease.as_str(), &format!("lease-{vmid}"));
        app.sim
            .set_description(vmid, &own.replace(&first, &vmid.to_string()));
    }
    let (asked, _) = cost(&app).await;
    let count = |part: &str| asked.iter().filter(|one| one.contains(part)).count();
    assert_eq!(count("/cluster/resources"), 1, "{asked:?}");
    assert_eq!(count("/config"), 60, "{asked:?}");
    let moved = app.app.store.lease_by_vmid(45_000_u32.try_into().unwrap());
    assert_eq!(moved.await.unwrap().unwrap().node.as_str(), "pve");
}

#[tokio::test]
async fn foreign_containers_that_were_checked_cost_no_further_requests() {
    const FOREIGN: u32 = 700;
    let app = cluster(&["pve"], &[]).await;
    for number in 0..FOREIGN {
        app.sim.put_foreign_container(2_000 + number, "theirs");
        app.sim.set_pool(2_000 + number, Some("infra402"));
    }
    let looks = async || {
        let (asked, writes) = cost(&app).await;
        assert!(writes <= 1, "{writes} changes");
        asked.iter().filter(|one| one.contains("/config")).count()
    };
    assert_eq!(looks().await, 500, "as many as one comparison looks at");
    assert_eq!(looks().await, 200, "the rest");
    let (asked, writes) = cost(&app).await;
    assert!(asked.len() <= 8 && writes <= 1, "{writes}, {asked:?}");
    let found = reconcile::compare(&app.app).await.unwrap();
    assert_eq!(found.foreign.len(), 700);
    // A container that is made anew under the number of another is checked.
    app.sim.advance_clock(Duration::from_secs(60));
    looks().await;
    app.sim.remove_container(2_000);
    app.sim.put_foreign_container(2_000, "theirs");
    app.sim.set_pool(2_000, Some("infra402"));
    assert_eq!(looks().await, 1);
    assert_eq!(looks().await, 0);
}

/// After a database was restored there may be thousands of orphans.
#[tokio::test]
async fn nothing_is_asked_of_orphans_that_are_off_until_their_time_is_over() {
    let app = cluster(&["pve"], &[("ORPHAN_KEEP_HOURS", "2")]).await;
    let mut all = Vec::new();
    for number in 0..3 {
        all.push(leased(&app, number, 600, "pve").await);
    }
    let rows = rusqlite::Connection::open(app.database()).unwrap();
    // An older copy of the database lacks these leases.
    rows.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM traffic; DELETE FROM leases;")
        .unwrap();
    let found = reconcile::compare(&app.app).await.unwrap();
    assert_eq!(found.orphans.len(), 3);
    assert!(all.iter().all(|ctid| is_off(&app, *ctid)));
    cost(&app).await;
    let (asked, writes) = cost(&app).await;
    let looks = asked.iter().filter(|one| one.contains("/lxc/"));
    assert_eq!((looks.count(), writes), (0, 0), "{asked:?}");
    // An orphan that was started by hand is stopped again.
    let (node, vmid) = ("pve".parse().unwrap(), all[0].try_into().unwrap());
    app.app.proxmox.client.start(&node, vmid).await.unwrap();
    until("it to run", async || (!is_off(&app, all[0])).then_some(())).await;
    let found = reconcile::compare(&app.app).await.unwrap();
    assert_eq!(found.orphans.len(), 3);
    assert!(is_off(&app, all[0]));
    app.clock.advance(Duration::from_secs(2 * 3600 + 1));
    let found = reconcile::compare(&app.app).await.unwrap();
    assert_eq!((found.removed.len(), found.orphans.len()), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn replicas_share_the_ends_and_none_is_done_twice() {
    let url = replicas::database().await;
    let more = [("DATABASE", url.as_str()), ("PVE_ENDS_PER_NODE", "4")];
    let one = cluster(&["pve"], &more).await;
    let mut all = Vec::new();
    for number in 0..10 {
        all.push(leased(&one, number, 5, "pve").await);
    }
    let two = one.beside().await;
    // Each replica has half of the permits, so that both must work if all of them are in use.
    shared_limits::know(&[&one, &two]).await;
    let slow = FaultKind::SlowTask(Duration::from_millis(700));
    one.sim
        .faults()
        .inject(Fault::always(Operation::Shutdown, slow));
    one.clock.advance(Duration::from_secs(5 * 60 + 5));
    let mut most = 0;
    until("all leases to be stopped", async || {
        most = most.max(shutdowns(&one));
        all.iter().all(|ctid| is_off(&one, *ctid)).then_some(())
    })
    .await;
    assert_eq!(most, 4, "two of each replica");
    assert_eq!(one.sim.request_count("POST", "/status/shutdown"), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_replica_shows_what_another_one_found_in_its_reconciliation() {
    let url = replicas::database().await;
    let one = cluster(&["pve"], &[("DATABASE", url.as_str())]).await;
    let two = one.beside().await;
    let ctid = leased(&one, 1, 60, "pve").await;
    let lease = one.app.store.lease_by_vmid(ctid.try_into().unwrap());
    let lease = lease.await.unwrap().unwrap();
    assert_eq!(lease.state, LeaseState::Active);
    let id = &lease.lease_id;
    one.sim.set_pool(ctid, None);
    for app in [&one, &two] {
        let known = app.app.store.troubles().await.unwrap();
        assert_eq!((known.len(), app.app.alarms.of(id)), (0, None));
    }
    one.sim.clear_requests();
    reconcile::compare(&one.app).await.unwrap();
    let asked = one.sim.requests().len();
    reconcile::take_over_alarms(&two.app).await.unwrap();
    assert_eq!(two.app.alarms.of(id), one.app.alarms.of(id));
    assert!(two.app.alarms.of(id).is_some());
    assert_eq!(
        one.sim.requests().len(),
        asked,
        "Proxmox is not asked again"
    );
    one.sim.set_pool(ctid, Some("infra402"));
    reconcile::compare(&one.app).await.unwrap();
    reconcile::take_over_alarms(&two.app).await.unwrap();
    assert_eq!(two.app.alarms.of(id), None);
    // A trouble that a replica found by its own request ends there too.
    one.sim.set_pool(ctid, None);
    assert!(
        proxmox_api::lease::container::locate::find(&two.app, &lease)
            .await
            .is_err()
    );
    assert!(two.app.alarms.of(id).is_some());
    one.sim.set_pool(ctid, Some("infra402"));
    reconcile::take_over_alarms(&two.app).await.unwrap();
    assert_eq!(two.app.alarms.of(id), None);
}
