//! Stores that share a PostgreSQL, also while it is away for a time.

use std::time::Duration;

use super::{postgres::Postgres, *};
use crate::locks::{Duty, Locks};

fn server(place: &Place) -> &Server {
    match &place.database {
        Database::Server(server) => server,
        Database::File(_) => panic!("no server"),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn replicas_that_start_together_make_the_schema_once_and_hand_nothing_out_twice() {
    let place = Place::server().await;
    let place = std::sync::Arc::new(place);
    let opened: Vec<_> = (0..3)
        .map(|_| {
            let place = std::sync::Arc::clone(&place);
            tokio::spawn(async move { place.open().await })
        })
        .collect();
    let mut stores = Vec::new();
    for store in opened {
        stores.push(store.await.unwrap());
    }
    let claims: Vec<_> = (0..40)
        .map(|number: usize| {
            let store = stores[number % 3].clone();
            tokio::spawn(async move {
                let number = u32::try_from(number).unwrap();
                claimed(&store, number, &format!("0x{number}")).await
            })
        })
        .collect();
    let mut vmids = std::collections::BTreeSet::new();
    for claim in claims {
        if let ClaimOutcome::Claimed { vmid } = claim.await.unwrap() {
            assert!(vmids.insert(vmid), "{vmid} twice");
        }
    }
    assert_eq!(vmids, (501..=531).map(vmid).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn an_advisory_lock_is_held_by_one_replica_until_it_is_released_or_the_replica_dies() {
    let place = Place::server().await;
    let (one, two) = (
        AdvisoryLocks::start(server(&place).clone()),
        AdvisoryLocks::start(server(&place).clone()),
    );
    let guard = one.take("set", &["name"]).await.unwrap();
    assert!(two.try_take("set", &["name"]).await.unwrap().is_none());
    assert!(two.try_take("other", &["name"]).await.unwrap().is_some());
    let waiting = tokio::spawn({
        let two = two.clone();
        async move { two.take("set", &["name"]).await.unwrap() }
    });
    drop(guard);
    drop(waiting.await.unwrap());
    // A dead replica releases nothing by itself.
    let dead = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let of_the_dead = taken_on(&dead, server(&place).clone());
    assert!(two.try_take("set", &["dying"]).await.unwrap().is_none());
    dead.shutdown_background();
    drop(of_the_dead);
    let freed = tokio::time::timeout(Duration::from_secs(5), two.take("set", &["dying"]));
    freed.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn replicas_count_each_other_and_their_shares_add_up_to_the_limit() {
    let (place, elsewhere) = (Place::server().await, Place::server().await);
    let mut all: Vec<_> = (0..3)
        .map(|_| AdvisoryLocks::start(server(&place).clone()))
        .collect();
    let _stranger = AdvisoryLocks::start(server(&elsewhere).clone());
    let agree = async |all: &[AdvisoryLocks]| {
        let seen = || all.iter().map(|one| *one.replicas().borrow());
        let agree = async {
            loop {
                let mut order: Vec<_> = seen().map(|one| (one.number, one.before)).collect();
                order.sort_unstable();
                if order
                    == (0..all.len())
                        .map(|before| (all.len(), before))
                        .collect::<Vec<_>>()
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let agreed = tokio::time::timeout(Duration::from_secs(15), agree).await;
        assert!(agreed.is_ok(), "{:?}", seen().collect::<Vec<_>>());
        assert_eq!(seen().map(|one| one.share_of(8)).sum::<usize>(), 8);
    };
    agree(&all).await;
    drop(all.remove(1));
    agree(&all).await;
    all.push(AdvisoryLocks::start(server(&place).clone()));
    agree(&all).await;
}

/// A lock guard of a replica that runs on this runtime.
fn taken_on(runtime: &tokio::runtime::Runtime, server: Server) -> Vec<AdvisoryLockGuard> {
    let (give, given) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let locks = AdvisoryLocks::start(server);
        give.send(locks.take("set", &["dying"]).await.unwrap())
            .unwrap();
        std::future::pending::<()>().await;
    });
    given.recv().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn locks_are_kept_when_a_server_comes_back() {
    service::crypto::install_ring_provider();
    let postgres = blocking(Postgres::start).await;
    let postgres = std::sync::Arc::new(postgres);
    let url = blocking({
        let postgres = std::sync::Arc::clone(&postgres);
        move || postgres.url("postgres", &postgres.empty(), "sslmode=disable")
    })
    .await;
    let place = Place {
        database: Database::parse(&url).unwrap(),
        _folder: None,
    };
    let store = place.open().await;
    let locks = store.advisory_locks().unwrap();
    let guard = locks.take("set", &["kept"]).await.unwrap();
    activated(&store, 1, 0).await;
    // Connections that are cut while idle reconnect at their next use.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'infra402'";
    let (server, sql) = (std::sync::Arc::clone(&postgres), cut);
    blocking(move || server.sql("postgres", sql)).await;
    assert!(
        store
            .set_ip(&"lease-1".into(), "10.0.0.1", 1)
            .await
            .unwrap()
    );
    assert!(store.lease(&"lease-1".into()).await.unwrap().is_some());

    let server = std::sync::Arc::clone(&postgres);
    blocking(move || server.crash()).await;
    assert!(
        store
            .set_ip(&"lease-1".into(), "10.0.0.2", 1)
            .await
            .is_err()
    );
    assert!(store.lease(&"lease-1".into()).await.is_err());
    let server = std::sync::Arc::clone(&postgres);
    blocking(move || server.start_again()).await;
    let again = async {
        while store
            .set_ip(&"lease-1".into(), "10.0.0.3", 1)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        while store.lease(&"lease-1".into()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again)
        .await
        .unwrap();
    let lease = store.lease(&"lease-1".into()).await.unwrap().unwrap();
    assert_eq!(lease.ip.as_deref(), Some("10.0.0.3"));
    let fresh = locks.take("set", &["fresh"]).await.unwrap();
    let others = place.open().await.advisory_locks().unwrap();
    assert!(others.try_take("set", &["kept"]).await.unwrap().is_none());
    drop(guard);
    others.take("set", &["kept"]).await.unwrap();
    drop(fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn what_is_wrong_with_a_server_is_said_in_words() {
    let place = Place::server().await;
    let postgres = Postgres::shared();
    let name = blocking(move || {
        let name = postgres.empty();
        postgres.sql("postgres", "CREATE ROLE locked LOGIN PASSWORD 'right'");
        postgres.sql("postgres", "CREATE ROLE guest LOGIN");
        name
    })
    .await;
    let open = async |account: &str, database: &str, parameters: &str| {
        let url = postgres.url(account, database, parameters);
        let opened = Store::open_database(&Database::parse(&url).unwrap()).await;
        opened.map(drop).map_err(|error| error.to_string())
    };
    let said = async |account: &str, database: &str, parameters: &str, words: &str| {
        let error = open(account, database, parameters).await.unwrap_err();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("wrong-one"), "{error}");
    };
    let plain = "sslmode=disable";
    said(
        "locked:wrong-one",
        &name,
        plain,
        "does not let this account in",
    )
    .await;
    said("postgres", "nowhere", plain, "create it").await;
    said("guest", &name, plain, "may not do what is needed").await;
    let nobody = "postgres://postgres:wrong-one@localhost:1/x";
    let error = Store::open_database(&Database::parse(nobody).unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot connect"), "{error}");

    // Its certificate is checked where that is asked for.
    let trusted = format!(
        "sslmode=verify-full&sslrootcert={}",
        postgres.authority.display()
    );
    open("postgres", &name, &trusted).await.unwrap();
    open("postgres", &name, "sslmode=require").await.unwrap();
    said("postgres", &name, "sslmode=verify-full", "cannot connect").await;
    let elsewhere = postgres
        .url("postgres", &name, &trusted)
        .replace("localhost", "127.0.0.1");
    let error = Store::open_database(&Database::parse(&elsewhere).unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot connect"), "{error}");

    let store = place.open().await;
    let later = "INSERT INTO schema_version (version) VALUES (1000)";
    store
        .write(ChangeLock::None, move |db| db.execute(later, &[]))
        .await
        .unwrap();
    let newer = Store::open_database(&place.database)
        .await
        .unwrap_err()
        .to_string();
    assert!(newer.contains("newer release"), "{newer}");
    let found = database_condition(&place.database).await.unwrap();
    assert_eq!(found, DatabaseCondition::Newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_duty_stays_with_one_replica_and_goes_to_another_when_that_dies() {
    let place = Place::server().await;
    let locks = || AdvisoryLocks::start(server(&place).clone());
    let [one, two] = [locks(), locks()];
    let (first, second) = (
        Locks::shared(Some(&one), "leases"),
        Locks::shared(Some(&two), "leases"),
    );
    let [mut ours, mut theirs] = ["comparison"; 2].map(Duty::new);
    for _ in 0..3 {
        assert!(ours.is_ours(&first).await.unwrap());
        assert!(!theirs.is_ours(&second).await.unwrap());
    }
    drop((ours, first, one));
    let taken = async {
        while !theirs.is_ours(&second).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), taken)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_guard_dropped_without_a_session_releases_no_later_lock() {
    service::crypto::install_ring_provider();
    let started = blocking(|| {
        let postgres = Postgres::start();
        let url = postgres.url("postgres", &postgres.empty(), "sslmode=disable");
        (postgres, url)
    });
    let (postgres, url) = started.await;
    let Database::Server(server) = Database::parse(&url).unwrap() else {
        panic!("no server");
    };
    let locks = AdvisoryLocks::start((*server).clone());
    let before = locks.take("set", &["name"]).await.unwrap();
    let kept = locks.take("set", &["kept"]).await.unwrap();
    let postgres = blocking(move || {
        postgres.crash();
        postgres
    })
    .await;
    while locks.can_notify() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(before);
    let _postgres = blocking(move || {
        postgres.start_again();
        postgres
    })
    .await;
    let again = async {
        loop {
            if let Ok(guard) = locks.take("set", &["name"]).await {
                return guard;
            }
        }
    };
    let after = tokio::time::timeout(Duration::from_secs(20), again);
    let _after = after.await.unwrap();
    // What is given back is freed in order: after this one nothing of before is left.
    drop(kept);
    let others = AdvisoryLocks::start(*server);
    others.take("set", &["kept"]).await.unwrap();
    assert!(others.try_take("set", &["name"]).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
#[cfg_attr(
    all(has_postgresql, not(has_pgbouncer)),
    ignore = "needs PgBouncer (Debian: pgbouncer)"
)]
async fn a_pooler_that_keeps_no_sessions_is_refused_and_one_that_does_is_not() {
    let poolers = blocking(|| {
        service::crypto::install_ring_provider();
        let server = Postgres::shared();
        let poolers = ["transaction", "session"].map(|mode| server.pooler(mode));
        (server.empty(), poolers)
    });
    let (database, [transaction, session]) = poolers.await;
    let through = |port: u16| {
        let url = format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable");
        Database::parse(&url).unwrap()
    };
    let refused = Store::open_database(&through(transaction.port))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::Postgres(ServerError::Pooler)),
        "{refused}"
    );
    let looked = database_condition(&through(transaction.port))
        .await
        .unwrap_err();
    assert_eq!(looked.to_string(), refused.to_string());
    let database = through(session.port);
    let store = Store::open_database(&database).await.unwrap();
    let (one, two) = (
        store.advisory_locks().unwrap(),
        store.advisory_locks().unwrap(),
    );
    let guard = one.take("set", &["name"]).await.unwrap();
    assert!(two.try_take("set", &["name"]).await.unwrap().is_none());
    drop(guard);
    drop(two.take("set", &["name"]).await.unwrap());
    store
        .append_event(1, "subject", "kind", &serde_json::json!({}))
        .await
        .unwrap();
    assert_eq!(
        database_condition(&database).await.unwrap(),
        DatabaseCondition::InOrder
    );
}
