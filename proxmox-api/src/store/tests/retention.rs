//! Retention: what is removed or blanked, and is no longer readable in the files.

use super::*;

on_both![
    released_payments_go_with_the_leases_that_were_never_paid,
    answers_are_blanked_after_a_time_and_the_outcome_stays,
    answers_of_a_lease_that_has_ended_are_blanked_at_once,
    a_refusal_keeps_its_terms_until_the_chain_was_asked,
    a_request_is_kept_until_the_chain_was_looked_at,
    a_lease_whose_payment_is_owed_is_abandoned,
    a_lease_whose_payment_buys_something_else_is_abandoned,
];

async fn released_payments_go_with_the_leases_that_were_never_paid(place: Place) {
    use LeaseState::*;
    let store = place.open().await;
    store
        .reserve(payment("pay-8", PAYER, "0x8"), 0)
        .await
        .unwrap();
    assert!(
        store
            .mark_released(&"pay-8".into(), "verify", 10)
            .await
            .unwrap()
    );
    claimed(&store, 1, PAYER).await;
    assert!(
        store
            .mark_released(&"pay-1".into(), "create", 10)
            .await
            .unwrap()
    );
    assert_eq!(store.remove_released(9).await.unwrap(), 0, "too young");
    assert_eq!(
        store.remove_released(10).await.unwrap(),
        1,
        "a lease holds its number yet"
    );
    for (from, to) in [(Provisioning, Undoing), (Undoing, Destroyed)] {
        assert!(
            store
                .move_lease(&"lease-1".into(), from, to, 11)
                .await
                .unwrap()
        );
    }
    assert_eq!(store.remove_released(10).await.unwrap(), 1);
    assert_eq!(store.payment(&"pay-1".into()).await.unwrap(), None);
    assert_eq!(store.lease(&"lease-1".into()).await.unwrap(), None);
    // What was paid for stays.
    activated(&store, 2, 0).await;
    assert_eq!(store.remove_released(i64::MAX).await.unwrap(), 0);
}

async fn answers_are_blanked_after_a_time_and_the_outcome_stays(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 100).await;
    assert_eq!(store.blank_answers(99, 99).await.unwrap(), 0);
    assert_eq!(store.blank_answers(100, 100).await.unwrap(), 1);
    assert_eq!(store.blank_answers(100, 100).await.unwrap(), 0);
    let row = store.payment(&"pay-1".into()).await.unwrap().unwrap();
    let blank = StoredAnswer {
        status: 200,
        body: String::new(),
    };
    assert_eq!(
        (row.state, row.answer),
        (PaymentState::Answered, Some(blank))
    );
    assert_eq!(
        (row.request.0.as_str(), row.transaction.as_deref()),
        ("", Some("0xfeed"))
    );
}

async fn answers_of_a_lease_that_has_ended_are_blanked_at_once(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 100).await;
    for (from, to) in [
        (LeaseState::Active, LeaseState::Destroying),
        (LeaseState::Destroying, LeaseState::Destroyed),
    ] {
        assert!(
            store
                .move_lease(&"lease-1".into(), from, to, 101)
                .await
                .unwrap()
        );
    }
    assert_eq!(store.blank_answers(0, 0).await.unwrap(), 1);
}

async fn a_refusal_keeps_its_terms_until_the_chain_was_asked(place: Place) {
    let store = place.open().await;
    for (id, nonce) in [("pay-1", "0x1"), ("pay-2", "0x2")] {
        store.reserve(payment(id, PAYER, nonce), 0).await.unwrap();
        assert!(store.mark_settling(&id.into(), 0).await.unwrap());
        assert!(store.mark_refused(&id.into(), "balance", 0).await.unwrap());
    }
    assert!(store.mark_checked(&"pay-1".into(), 400).await.unwrap());
    assert_eq!(store.blank_answers(500, -1).await.unwrap(), 1);
    assert_eq!(store.refusals_to_check(300).await.unwrap().len(), 1);
    assert_eq!(store.blank_answers(500, 500).await.unwrap(), 1);
}

/// The lease of a refused payment is gone within seconds, and the authorization can be sent by
/// others until its window ends.
async fn a_request_is_kept_until_the_chain_was_looked_at(place: Place) {
    use LeaseState::*;
    let store = place.open().await;
    claimed(&store, 1, PAYER).await;
    assert!(store.mark_settling(&"pay-1".into(), 10).await.unwrap());
    assert!(
        store
            .mark_refused(&"pay-1".into(), "balance", 10)
            .await
            .unwrap()
    );
    activated(&store, 2, 10).await;
    store
        .replace_evidence(&"pay-2".into(), seen("0xbeef", 3), 10)
        .await
        .unwrap();
    store
        .write(ChangeLock::None, |db| {
            let sql = "UPDATE payments SET checked_at = NULL WHERE payment_id = 'pay-2'";
            db.execute(sql, &[])
        })
        .await
        .unwrap();
    for (lease, from, to) in [
        ("lease-1", Provisioning, Undoing),
        ("lease-1", Undoing, Destroyed),
        ("lease-2", Active, Destroying),
        ("lease-2", Destroying, Destroyed),
    ] {
        assert!(store.move_lease(&lease.into(), from, to, 11).await.unwrap());
    }
    assert_eq!(store.blank_answers(9, 9).await.unwrap(), 1, "an answer");
    assert_eq!(store.blank_answers(9, 9).await.unwrap(), 0);
    let answered = store.payment(&"pay-2".into()).await.unwrap().unwrap();
    assert_eq!(answered.answer.unwrap().body, "");
    let refused = store.refusals_to_check(300).await.unwrap();
    let transfers = store.transfers_to_check(300).await.unwrap();
    assert_eq!((refused.len(), transfers.len()), (1, 1));
    for id in ["pay-1", "pay-2"] {
        assert!(store.mark_checked(&id.into(), 400).await.unwrap());
    }
    assert_eq!(store.blank_answers(9, 9).await.unwrap(), 2);
    for id in ["pay-1", "pay-2"] {
        assert_eq!(
            store.payment(&id.into()).await.unwrap().unwrap().request.0,
            ""
        );
    }
    // Where no chain is asked, a day is enough.
    store
        .reserve(payment("pay-3", PAYER, "0x3"), 0)
        .await
        .unwrap();
    assert!(store.mark_settling(&"pay-3".into(), 10).await.unwrap());
    assert!(
        store
            .mark_refused(&"pay-3".into(), "balance", 10)
            .await
            .unwrap()
    );
    assert_eq!(store.blank_answers(9, 9).await.unwrap(), 0);
    assert_eq!(store.blank_answers(10, 10).await.unwrap(), 1);
}

/// A payment is answered before its lease is active only where it is owed.
async fn a_lease_whose_payment_is_owed_is_abandoned(place: Place) {
    use LeaseState::*;
    let store = place.open().await;
    claimed(&store, 1, PAYER).await;
    for (from, to) in [
        (Provisioning, CreateSent),
        (CreateSent, Created),
        (Created, Probed),
    ] {
        assert!(
            store
                .move_lease(&"lease-1".into(), from, to, 5)
                .await
                .unwrap()
        );
    }
    assert!(store.mark_settling(&"pay-1".into(), 5).await.unwrap());
    let paid = store
        .mark_settled(&"pay-1".into(), reported("0xfeed"), 5)
        .await;
    assert!(paid.unwrap());
    assert_eq!(store.abandoned_leases(i64::MAX).await.unwrap(), []);
    let id = "pay-1".into();
    let owed = store.owe_undelivered(&id, "undelivered", 6);
    assert!(owed.await.unwrap());
    let abandoned = store.abandoned_leases(5).await.unwrap();
    assert_eq!(abandoned.len(), 1);
    activated(&store, 2, 7).await;
    assert_eq!(store.abandoned_leases(i64::MAX).await.unwrap(), abandoned);
}

/// An undo was cut off, and the same nonce was presented for something without a lease.
async fn a_lease_whose_payment_buys_something_else_is_abandoned(place: Place) {
    let store = place.open().await;
    claimed(&store, 1, PAYER).await;
    assert!(
        store
            .mark_released(&"pay-1".into(), "restart", 5)
            .await
            .unwrap()
    );
    let row = store.payment(&"pay-1".into()).await.unwrap().unwrap();
    let again = NewPayment {
        lease_id: None,
        ..payment("pay-2", PAYER, &row.nonce)
    };
    let reserved = store.reserve(again, 6).await.unwrap();
    assert_eq!(
        reserved,
        Reservation::Reserved {
            payment_id: "pay-1".into()
        }
    );
    assert!(store.mark_settling(&"pay-1".into(), 6).await.unwrap());
    let abandoned = store.abandoned_leases(i64::MAX).await.unwrap();
    assert_eq!(abandoned.len(), 1);
}

/// The files themselves are searched, as a thief with a backup would.
#[tokio::test]
async fn nothing_blanked_is_left_in_the_files() {
    let (folder, store) = open_file();
    activated(&store, 1, 0).await;
    let holds = |secret: &str| {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mut all = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        all.any(|bytes| {
            bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        })
    };
    assert!(
        holds("secret") && holds("\"signature\""),
        "the test would see them"
    );
    assert_eq!(store.blank_answers(0, 0).await.unwrap(), 1);
    let Database::File(path) = &Database::File(folder.path().join("store.db")) else {
        unreachable!()
    };
    drop(store);
    let file = rusqlite::Connection::open(path).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    file.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    assert!(!holds("secret"), "an answer");
    assert!(!holds("\"signature\""), "a signed request");
}

/// The content of a dump of PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn nothing_blanked_is_left_in_a_dump() {
    service::crypto::install_ring_provider();
    let made = tokio::task::spawn_blocking(|| {
        let server = postgres::Postgres::shared();
        let name = server.empty();
        (
            server,
            server.url("postgres", &name, "sslmode=disable"),
            name,
        )
    });
    let (server, url, name) = made.await.unwrap();
    let store = Store::open_database(&Database::parse(&url).unwrap())
        .await
        .unwrap();
    activated(&store, 1, 0).await;
    let dump = || {
        let text = server.dump(&name);
        ["secret", "\"signature\"", "pay-1"].map(|what| text.contains(what))
    };
    assert_eq!(dump(), [true, true, true], "the test would see them");
    assert_eq!(store.blank_answers(0, 0).await.unwrap(), 1);
    assert_eq!(dump(), [false, false, true]);
}

/// The room of blanked requests is used again, so that a file grows by the outcomes alone.
#[tokio::test]
async fn pages_of_what_was_blanked_are_used_again() {
    const PAYMENTS: u32 = 200;
    let (folder, store) = open_file();
    for number in 0..PAYMENTS {
        let id = PaymentId::from(format!("pay-{number}"));
        let new = NewPayment {
            request: SignedRequest("x".repeat(1000)),
            ..payment(&id, PAYER, &format!("0x{number}"))
        };
        store.reserve(new, 0).await.unwrap();
        assert!(store.mark_settling(&id, 0).await.unwrap());
        assert!(
            store
                .mark_settled(&id, reported("0xfeed"), 0)
                .await
                .unwrap()
        );
        assert!(store.mark_answered(&id, answer()).await.unwrap());
    }
    let free = || -> u32 {
        let file = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
        file.query_row("PRAGMA freelist_count", [], |row| row.get(0))
            .unwrap()
    };
    let before = free();
    while store.blank_answers(0, 0).await.unwrap() > 0 {}
    let freed = free() - before;
    // Three requests are on a page, and twelve outcomes or so.
    assert!(freed > PAYMENTS / 8, "{freed} pages of {PAYMENTS} payments");
}
