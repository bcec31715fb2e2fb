//! What a change makes of rows that another one has changed while it waited for them. Told on
//! PostgreSQL alone: on SQLite no change waits for another.

use std::time::Duration;

use tokio_postgres::Client;

use super::{postgres::Postgres, *};

/// Another one that changes rows, beside every lock of ours.
async fn other(place: &Place) -> Client {
    let Database::Server(server) = &place.database else {
        panic!("no server");
    };
    let (client, driver) = server.connect(|_| {}).await.unwrap();
    tokio::spawn(driver);
    client
}

/// Returns once something waits for rows of this transaction.
async fn has_made_wait(client: &Client) {
    let sql = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waits = async {
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            // A transaction sees these figures as they were when it looked first.
            client
                .batch_execute("SELECT pg_stat_clear_snapshot()")
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waits)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn an_owner_who_has_just_renewed_is_not_warned() {
    let place = Place::server().await;
    let store = place.open().await;
    activated(&store, 1, 0).await;
    let renewing = other(&place).await;
    let renewed = "BEGIN; UPDATE leases SET expires_at = expires_at + 3600,
             destroy_at = destroy_at + 3600, warned_at = NULL WHERE lease_id = 'lease-1'";
    renewing.batch_execute(renewed).await.unwrap();
    let warning = tokio::spawn({
        let store = store.clone();
        async move { store.warn_of_ends(600, 3500, 9).await }
    });
    has_made_wait(&renewing).await;
    renewing.batch_execute("COMMIT").await.unwrap();
    assert_eq!(warning.await.unwrap().unwrap(), []);
    let warned = store.warn_of_ends(600, 7100, 9).await.unwrap();
    assert_eq!(warned.len(), 1, "in time for its new end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_key_that_is_taken_meanwhile_gives_the_outcome_of_who_took_it() {
    let place = Place::server().await;
    let store = place.open().await;
    let first: PaymentId = "pay-1".into();
    store
        .reserve(payment(&first, PAYER, "0x1"), 0)
        .await
        .unwrap();
    assert!(store.mark_released(&first, "test", 1).await.unwrap());
    let taking = other(&place).await;
    let taken = "BEGIN; INSERT INTO payments (payment_id, network, asset, payer, nonce, digest, idempotency_key,
             state, amount, pay_to, valid_before, request, operation, arguments, created_at, updated_at)
         SELECT 'pay-2', network, asset, payer, '0x2', digest, 'k',
             'reserved', amount, pay_to, valid_before, request, operation, arguments, created_at, updated_at
         FROM payments WHERE payment_id = 'pay-1'";
    taking.batch_execute(taken).await.unwrap();
    let again = tokio::spawn({
        let new = NewPayment {
            idempotency_key: Some("k".into()),
            ..payment("pay-3", PAYER, "0x1")
        };
        let store = store.clone();
        async move { store.reserve(new, 2).await }
    });
    has_made_wait(&taking).await;
    taking.batch_execute("COMMIT").await.unwrap();
    let payment_id = "pay-2".into();
    assert_eq!(
        again.await.unwrap().unwrap(),
        Reservation::Known { payment_id }
    );
}

/// A customer who signs again and again under one key must not have the changes of others made anew
/// each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_key_that_is_used_again_is_no_error_of_the_server() {
    service::crypto::install_ring_provider();
    let started = tokio::task::spawn_blocking(|| {
        let postgres = Postgres::start();
        let url = postgres.url("postgres", &postgres.empty(), "sslmode=disable");
        (postgres, url)
    });
    let (postgres, url) = started.await.unwrap();
    let store = Store::open_database(&Database::parse(&url).unwrap())
        .await
        .unwrap();
    for number in 1..=3 {
        let new = NewPayment {
            idempotency_key: Some("k".into()),
            ..payment(&format!("pay-{number}"), PAYER, &format!("0x{number}"))
        };
        let told = store.reserve(new, 0).await.unwrap();
        let payment_id = "pay-1".into();
        let expected = match number {
            1 => Reservation::Reserved { payment_id },
            _ => Reservation::Known { payment_id },
        };
        assert_eq!(told, expected);
    }
    let log = postgres.log();
    assert!(!log.contains("ERROR"), "{log}");
}
