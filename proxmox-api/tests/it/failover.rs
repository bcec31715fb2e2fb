//! The database's server dies and its standby takes over: the service goes on without a restart, and nothing that a customer was
//! told is lost. Left out where PostgreSQL is not installed.

use std::time::Duration;

use reqwest::Method;

use crate::{
    buyer::Buyer,
    guest,
    postgres::Postgres,
    support::{TestApp, until},
};
use pve_sim::ShellMode;

/// Paid calls before the server dies, and while it does.
const CALLS: usize = 40;

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A server, its standby for which commits wait, and an address that names both.
fn servers() -> Option<(Postgres, Postgres, String)> {
    let primary = Postgres::start()?;
    let database = primary.empty();
    let standby = primary.standby();
    primary.sql(
        "postgres",
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
    );
    primary.sql("postgres", "SELECT pg_reload_conf()");
    let follows = "SELECT sync_state FROM pg_stat_replication";
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while primary.sql("postgres", follows) != "sync" {
        assert!(
            std::time::Instant::now() < deadline,
            "the standby does not follow"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = primary.url_with(&standby, &database);
    Some((primary, standby, url))
}

/// A paid list; whether the customer was told that it was paid.
async fn listed(app: &TestApp, buyer: &Buyer) -> bool {
    let signed = buyer.sign(app, Method::GET, "/management/list", None).await;
    let answer = signed.send(app).await;
    let status = answer.status.as_u16();
    assert!(matches!(status, 200 | 202 | 402 | 503), "{:?}", answer.body);
    status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_nothing_that_was_told_is_lost() {
    let Some((primary, standby, url)) = blocking(servers).await else {
        return;
    };
    let app = guest::app(ShellMode::Toy, &[("DATABASE", &url)]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = guest::lease(&app, &buyer, "box").await;
    let mut told = 0;
    for _ in 0..CALLS {
        told += usize::from(listed(&app, &buyer).await);
    }
    assert_eq!(told, CALLS);
    let (more, primary) = tokio::join!(
        async {
            let mut told = 0;
            for _ in 0..CALLS {
                told += usize::from(listed_if_challenged(&app, &buyer).await);
            }
            told
        },
        blocking(move || {
            primary.crash();
            standby.promote();
            (primary, standby)
        })
    );
    told += more;
    until("the service to work on the new server", async || {
        listed_if_challenged(&app, &buyer).await.then_some(())
    })
    .await;
    told += 1;
    let (_primary, standby) = primary;
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

/// The same while the challenge may fail, too.
async fn listed_if_challenged(app: &TestApp, buyer: &Buyer) -> bool {
    let asked = app
        .http
        .get(format!("{}/management/list", app.url))
        .send()
        .await;
    match asked.unwrap().status().as_u16() {
        402 => listed(app, buyer).await,
        _ => false,
    }
}
