//! Free requests cost bounded work. The tests count rows, bytes and requests to Proxmox, and do not
//! measure time.

use std::time::Instant;

use futures_util::future::join_all;
use reqwest::Method;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::{
    buyer::{Buyer, SignedIn, call},
    support::TestApp,
};

/// Requests that the tests send at once.
const CROWD: usize = 50;
/// Reads that background jobs may add meanwhile.
const OF_WORKERS: u64 = 20;

/// How many times an answer that is cached for three seconds may have been made since `begin`.
fn made_since(begin: Instant) -> u64 {
    2 + begin.elapsed().as_secs() / 3
}

fn lists(app: &TestApp) -> usize {
    let requests = |path| app.sim.request_count("GET", path);
    requests("/lxc") - requests("/lxc/")
}

/// Gives a wallet `number` ended leases, an hour apart, the last of which ended a day ago.
fn ended(app: &TestApp, buyer: &Buyer, number: i64) {
    let mut file = Connection::open(app.database()).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    let rows = file.transaction().unwrap();
    let owner = format!("{:#x}", buyer.wallet());
    let yesterday = app.app.now() - 24 * 3600;
    for place in 0..number {
        let (lease, payment) = (format!("old-lease-{place}"), format!("old-{place}"));
        let at = yesterday - 3600 * (number - place);
        rows.execute(
            "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest, state, amount, pay_to, valid_before,
                 request, operation, arguments, lease_id, answer_status, answer_body, created_at, updated_at)
             VALUES (?1, 'eip155:84532', '0xa5', ?2, ?1, '', 'answered', 1000, '', 0, '', 'lease_container', '{}', ?3, 200, '',
                 ?4, ?4)",
            params![payment, owner, lease, at],
        )
        .unwrap();
        rows.execute(
            "INSERT INTO leases (lease_id, vmid, node, owner, state, sku, template, hostname, cores, memory_mb, disk_gb,
                 minutes, expires_at, destroy_at, payment_id, created_at, updated_at)
             VALUES (?1, 40999, 'pve', ?2, 'destroyed', 'small', 'debian', 'box', 1, 512, 8, 60, ?3, ?3, ?4, ?3, ?3)",
            params![lease, owner, at, payment],
        )
        .unwrap();
    }
    rows.commit().unwrap();
}

fn ids(body: &Value) -> Vec<String> {
    let leases = body["leases"].as_array().unwrap();
    let id = |lease: &Value| lease["leaseId"].as_str().unwrap().to_owned();
    leases.iter().map(id).collect()
}

async fn customer(app: &TestApp) -> (Buyer, SignedIn, Value) {
    let buyer = Buyer::funded(app, 1).await;
    let lease = buyer
        .lease(app, json!({"runtimeMinutes": 30, "diskGB": 2}))
        .await;
    assert_eq!(lease.status, 200, "{:?}", lease.body);
    let session = buyer.sign_in(app).await;
    (buyer, session, lease.body)
}

#[tokio::test]
async fn a_crowd_that_asks_whether_it_is_ready_has_one_change_proven() {
    let app = TestApp::start().await;
    let proven = async || {
        app.app
            .store
            .installation_value("writable_at")
            .await
            .unwrap()
    };
    assert_eq!(proven().await, None);
    let (begin, writes, reads) = (
        Instant::now(),
        app.app.store.writes(),
        app.app.store.reads(),
    );
    let ask = async || call(&app, &Method::GET, "/ready", None, &[]).await.status;
    let all = join_all((0..CROWD).map(|_| ask())).await;
    assert!(all.iter().all(|status| *status == 200), "{all:?}");
    let written = app.app.store.writes() - writes;
    assert!(
        written <= made_since(begin) + OF_WORKERS,
        "{written} changes"
    );
    let read = app.app.store.reads() - reads;
    assert!(read <= OF_WORKERS, "{read} looks");
    assert!(proven().await.is_some(), "something was stored");
}

#[tokio::test]
async fn a_store_that_stores_nothing_is_not_ready() {
    let app = TestApp::start().await;
    let file = Connection::open(app.database()).unwrap();
    file.execute_batch(
        "CREATE TRIGGER refuses BEFORE INSERT ON installation
         BEGIN SELECT RAISE(FAIL, 'the disk is full'); END",
    )
    .unwrap();
    let answer = call(&app, &Method::GET, "/ready", None, &[]).await;
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    let checks = answer.body["checks"].as_array().unwrap();
    let store = checks.iter().find(|check| check["name"] == "store");
    assert_eq!(store.unwrap()["ok"], false, "{checks:?}");
}

#[tokio::test]
async fn a_wallet_that_watches_its_leases_costs_proxmox_a_list_every_three_seconds() {
    let app = TestApp::start().await;
    let (_, session, lease) = customer(&app).await;
    let (begin, before) = (Instant::now(), lists(&app));
    let ask = async || session.get(&app, "/leases").await.body;
    for body in join_all((0..CROWD).map(|_| ask())).await {
        assert_eq!(body["leases"][0]["liveStatus"], "running");
    }
    let listed = (lists(&app) - before) as u64;
    let most = made_since(begin);
    assert!((1..=most).contains(&listed), "{listed} of at most {most}");

    // For one lease, the service reads the container's own status and needs no list.
    let (before, asked) = (lists(&app), app.sim.request_count("GET", "/status/current"));
    let path = format!("/leases/{}", lease["leaseId"].as_str().unwrap());
    let one = session.get(&app, &path).await.body;
    assert_eq!(one["liveStatus"], "running");
    assert_eq!(lists(&app), before);
    assert_eq!(app.sim.request_count("GET", "/status/current"), asked + 1);
}

#[tokio::test]
async fn a_container_that_is_missed_is_looked_for_once_in_three_seconds() {
    let app = TestApp::start().await;
    let (_, session, lease) = customer(&app).await;
    let ctid = u32::try_from(lease["ctid"].as_u64().unwrap()).unwrap();
    app.sim.remove_container(ctid);
    let (begin, before) = (Instant::now(), lists(&app));
    let ask = async || session.get(&app, "/leases").await.body;
    for body in join_all((0..CROWD).map(|_| ask())).await {
        assert_eq!(body["leases"][0]["liveStatus"], "missing");
    }
    let listed = (lists(&app) - before) as u64;
    let most = made_since(begin);
    assert!((1..=most).contains(&listed), "{listed} of at most {most}");
}

#[tokio::test]
async fn leases_that_are_over_cost_nothing_and_come_in_pages() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let session = buyer.sign_in(&app).await;
    ended(&app, &buyer, 120);
    let requests = app.sim.request_count("GET", "/nodes");
    let none = session.get(&app, "/leases").await.body;
    assert_eq!(none, json!({"leases": []}));
    let mut pages = vec![session.get(&app, "/leases?all=true").await.body];
    while let Some(next) = pages.last().unwrap()["next"].as_str() {
        let path = format!("/leases?all=true&limit=60&before={next}");
        pages.push(session.get(&app, &path).await.body);
    }
    let sizes: Vec<_> = pages.iter().map(|page| ids(page).len()).collect();
    assert_eq!(sizes, [50, 60, 10]);
    let shown: Vec<_> = pages.iter().flat_map(ids).collect();
    let expected: Vec<_> = (0..120).rev().map(|n| format!("old-lease-{n}")).collect();
    assert_eq!(shown, expected, "the youngest first, each once");
    assert_eq!(pages[0]["leases"][0]["paid"], "1000");
    assert_eq!(app.sim.request_count("GET", "/nodes"), requests);
    let last = session
        .get(&app, "/leases?status=destroyed&limit=1")
        .await
        .body;
    assert_eq!(ids(&last), ["old-lease-119"]);

    for query in ["limit=0", "limit=201", "limit=x"] {
        let answer = session.get(&app, &format!("/leases?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_request"),
            "{query}"
        );
    }
    // Live leases are only on the first page.
    let later = session.get(&app, "/leases?before=old-lease-5").await;
    assert_eq!(later.body, json!({"leases": []}));
    // A cursor that names another wallet's lease, or none, is refused.
    let foreign = Buyer::funded(&app, 2).await.sign_in(&app).await;
    let path = "/leases?all=true&before=old-lease-5";
    assert_eq!(foreign.get(&app, path).await.body, json!({"leases": []}));
}

#[tokio::test]
async fn a_paid_list_is_kept_with_what_it_showed_and_no_more() {
    let app = TestApp::start().await;
    let (buyer, _, lease) = customer(&app).await;
    ended(&app, &buyer, 120);
    let signed = buyer
        .sign(&app, Method::GET, "/management/list", None)
        .await;
    let signed = signed.with_key("a-random-key-of-the-list");
    let list = signed.send(&app).await;
    assert_eq!(list.status, 200, "{:?}", list.body);
    let shown = ids(&list.body);
    assert_eq!(shown.len(), 21);
    assert_eq!(shown[0], lease["leaseId"].as_str().unwrap());
    assert_eq!(shown[20], "old-lease-100");
    assert!(list.body.get("next").is_none());
    let file = Connection::open(app.database()).unwrap();
    let sql = "SELECT max(length(answer_body)) FROM payments WHERE operation = 'list'";
    let kept: i64 = file.query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(kept < 16 * 1024, "{kept} bytes");
    // The same answer for as long as it is stored.
    let again = signed.send(&app).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &list.body));
}

#[tokio::test]
async fn counting_all_leases_for_a_crowd_is_done_once() {
    let app = TestApp::start().await;
    customer(&app).await;
    let (begin, reads) = (Instant::now(), app.app.store.reads());
    let ask = async || call(&app, &Method::GET, "/stats/lxc", None, &[]).await.body;
    for body in join_all((0..CROWD).map(|_| ask())).await {
        assert_eq!(body, json!({"total": 1, "running": 1, "containers": []}));
    }
    let read = app.app.store.reads() - reads;
    assert!(read <= made_since(begin) + OF_WORKERS, "{read} looks");
}
