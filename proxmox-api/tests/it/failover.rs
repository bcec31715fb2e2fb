//! The database's server dies and its standby takes over: the service goes on without a restart,
//! and no outcome that a customer was told is lost. Ignored without PostgreSQL.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::guest::plain_shell;
use futures_util::future::join_all;
use reqwest::Method;

use crate::{
    buyer::Buyer,
    guest,
    postgres::Postgres,
    support::{TestApp, until},
};

/// Paid calls before the server dies, and after.
const CALLS: usize = 40;
/// Concurrent customers, so that some are in the middle of a call when it dies.
const CALLERS: usize = 4;

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A server, its standby for which commits wait, and a URL that names both.
fn servers() -> (Postgres, Postgres, String) {
    let primary = Postgres::start();
    let database = primary.empty();
    let standby = primary.standby();
    primary.sql(
        "postgres",
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
    );
    primary.sql("postgres", "SELECT pg_reload_conf()");
    let follows = "SELECT sync_state FROM pg_stat_replication";
    let deadline = Instant::now() + Duration::from_secs(20);
    while primary.sql("postgres", follows) != "sync" {
        assert!(Instant::now() < deadline, "the standby does not follow");
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = primary.url_with(&standby, &database);
    (primary, standby, url)
}

/// Buys a list. Returns whether the answer says that it was paid.
async fn listed(app: &TestApp, buyer: &Buyer) -> bool {
    let signed = buyer.sign(app, Method::GET, "/management/list", None).await;
    let answer = signed.send(app).await;
    let status = answer.status.as_u16();
    assert!(matches!(status, 200 | 202 | 402 | 503), "{:?}", answer.body);
    status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_standby_takes_over_and_nothing_that_was_told_is_lost() {
    let (primary, standby, url) = blocking(servers).await;
    let app = guest::app(plain_shell(), &[("DATABASE", &url)]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = guest::lease(&app, &buyer, "box").await;
    let (told, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let calls = join_all((0..CALLERS).map(async |_| {
        while !over.load(Ordering::Relaxed) {
            if listed(&app, &buyer).await {
                told.fetch_add(1, Ordering::Relaxed);
            }
        }
    }));
    let more = async |calls: usize| {
        let before = told.load(Ordering::Relaxed);
        until("paid calls", async || {
            (told.load(Ordering::Relaxed) >= before + calls).then_some(())
        })
        .await;
    };
    let failing = async {
        more(CALLS).await;
        let crash = Instant::now();
        let servers = blocking(move || {
            primary.crash();
            standby.promote();
            (primary, standby)
        });
        let servers = servers.await;
        // The same service, without a restart.
        more(1).await;
        println!(
            "from the crash to the next paid call: {:?}",
            crash.elapsed()
        );
        more(CALLS).await;
        over.store(true, Ordering::Relaxed);
        servers
    };
    let (_, (_primary, standby)) = tokio::join!(calls, failing);
    let told = told.into_inner();
    let database = url
        .rsplit_once('/')
        .unwrap()
        .1
        .split_once('?')
        .unwrap()
        .0
        .to_owned();
    let rows = blocking(move || {
        let paid = "SELECT count(*) FROM payments WHERE operation = 'list' AND state = 'answered'";
        let rows = standby.sql(&database, paid);
        (rows.parse::<usize>().unwrap(), standby)
    });
    let (rows, _standby) = rows.await;
    assert!(rows >= told, "{told} were told, {rows} are stored");
    let lease = app.app.store.lease_by_vmid(ctid.try_into().unwrap()).await;
    assert!(lease.unwrap().is_some());
}
