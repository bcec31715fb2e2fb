//! Nonces, replays and guarded moves.

use super::*;

on_both![
    one_of_many_concurrent_copies_gets_the_nonce,
    a_replay_gets_the_first_payment_or_a_conflict,
    a_released_nonce_and_its_key_can_be_used_again,
    a_payment_changes_only_from_the_expected_state,
    one_transfer_pays_for_one_purchase,
    a_refused_payment_that_moved_money_after_all_can_settle,
    what_was_looked_for_while_it_was_unresolved_is_looked_at_again_once_it_is_over,
    an_operation_is_begun_once,
];

async fn one_of_many_concurrent_copies_gets_the_nonce(place: Place) {
    let store = place.open().await;
    let copies: Vec<_> = (0..64)
        .map(|i| {
            let store = store.clone();
            // Half of the copies spell the nonce and the payer differently.
            let (payer, nonce) = if i % 2 == 0 {
                ("0xaa", "0xabc")
            } else {
                ("0xAA", "0xABC")
            };
            tokio::spawn(async move {
                store
                    .reserve(payment(&format!("pay-{i}"), payer, nonce), 0)
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut reserved = 0;
    for copy in copies {
        match copy.await.unwrap() {
            Reservation::Reserved { .. } => reserved += 1,
            other => assert!(matches!(other, Reservation::Known { .. }), "{other:?}"),
        }
    }
    assert_eq!(reserved, 1);
    assert_eq!(
        store
            .payments_by_payer(&wallet(PAYER), None, 100)
            .await
            .unwrap()
            .len(),
        1
    );
}

async fn a_replay_gets_the_first_payment_or_a_conflict(place: Place) {
    let store = place.open().await;
    let first = NewPayment {
        idempotency_key: Some("key".into()),
        ..payment("pay-1", PAYER, "0x1")
    };
    store.reserve(first.clone(), 0).await.unwrap();
    let known = Reservation::Known {
        payment_id: "pay-1".into(),
    };
    assert_eq!(store.reserve(first.clone(), 1).await.unwrap(), known);
    assert!(store.mark_verified(&"pay-1".into(), 1).await.unwrap());
    assert!(store.mark_settling(&"pay-1".into(), 1).await.unwrap());
    assert!(
        store
            .mark_settled(&"pay-1".into(), reported("0xfeed"), 1)
            .await
            .unwrap()
    );
    assert!(
        store
            .mark_answered(&"pay-1".into(), answer())
            .await
            .unwrap()
    );
    // nonce, digest, key, outcome
    let table = [
        ("0x1", "digest", Some("key"), known.clone()),
        ("0x1", "digest", None, known.clone()),
        ("0x1", "digest", Some("guess"), known.clone()),
        ("0x1", "other", Some("key"), Reservation::Conflict),
        ("0x1", "other", None, Reservation::Conflict),
        ("0x2", "digest", Some("key"), known),
        ("0x2", "other", Some("key"), Reservation::Conflict),
        (
            "0x2",
            "digest",
            Some("new"),
            Reservation::Reserved {
                payment_id: "pay-2".into(),
            },
        ),
    ];
    for (nonce, digest, key, expected) in table {
        let again = NewPayment {
            digest: digest.into(),
            idempotency_key: key.map(Into::into),
            ..payment("pay-2", PAYER, nonce)
        };
        assert_eq!(
            store.reserve(again, 2).await.unwrap(),
            expected,
            "{nonce} {digest} {key:?}"
        );
    }
    assert!(!format!("{:?}", answer()).contains("secret"));
}

async fn a_released_nonce_and_its_key_can_be_used_again(place: Place) {
    let store = place.open().await;
    let first = NewPayment {
        idempotency_key: Some("key".into()),
        ..payment("pay-1", PAYER, "0x1")
    };
    store.reserve(first.clone(), 0).await.unwrap();
    assert!(
        store
            .mark_released(&"pay-1".into(), "facilitator away", 1)
            .await
            .unwrap()
    );
    let again = NewPayment {
        payment_id: "pay-2".into(),
        digest: "other".into(),
        ..first
    };
    assert_eq!(
        store.reserve(again, 2).await.unwrap(),
        Reservation::Reserved {
            payment_id: "pay-1".into()
        }
    );
    let row = store.payment(&"pay-1".into()).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.digest.as_str(), row.reason),
        (PaymentState::Reserved, "other", None)
    );
    // As its worker has it in memory: what counts is when this purchase was first seen.
    assert_eq!((row.created_at, row.updated_at), (2, 2));
}

async fn a_payment_changes_only_from_the_expected_state(place: Place) {
    let store = place.open().await;
    store
        .reserve(payment("pay-1", PAYER, "0x1"), 0)
        .await
        .unwrap();
    assert!(
        !store
            .mark_settled(&"pay-1".into(), reported("0xfeed"), 1)
            .await
            .unwrap()
    );
    assert!(
        !store
            .mark_answered(&"pay-1".into(), answer())
            .await
            .unwrap()
    );
    assert!(store.mark_verified(&"pay-1".into(), 1).await.unwrap());
    assert!(!store.mark_verified(&"pay-1".into(), 1).await.unwrap());
    assert!(store.mark_settling(&"pay-1".into(), 1).await.unwrap());
    assert!(!store.mark_settling(&"pay-1".into(), 1).await.unwrap());
    assert!(!store.mark_verified(&"pay-1".into(), 1).await.unwrap());
    assert!(
        !store
            .mark_released(&"pay-1".into(), "late", 1)
            .await
            .unwrap(),
        "money may have moved"
    );
    assert!(
        store
            .mark_unknown(&"pay-1".into(), Some("0xfeed"), 1)
            .await
            .unwrap()
    );
    assert!(!store.mark_unsent(&"pay-1".into(), "late", 1).await.unwrap());
    assert!(
        store
            .mark_unresolved(&"pay-1".into(), "no chain", 1)
            .await
            .unwrap()
    );
    assert!(store.unfinished_payments().await.unwrap().is_empty());
    assert!(store.unresolved_to_look_for(0).await.unwrap().is_empty());
    assert_eq!(store.unresolved_to_look_for(1).await.unwrap().len(), 1);
    assert!(
        store
            .mark_refused(&"pay-1".into(), "expired", 1)
            .await
            .unwrap()
    );
    assert!(store.unfinished_payments().await.unwrap().is_empty());
    assert!(!store.mark_unknown(&"pay-1".into(), None, 1).await.unwrap());
}

/// Takes a payment to `settling`.
async fn settling(store: &Store, id: &str, nonce: &str, key: Option<&str>) {
    let new = NewPayment {
        idempotency_key: key.map(Into::into),
        ..payment(id, PAYER, nonce)
    };
    store.reserve(new, 0).await.unwrap();
    assert!(store.mark_settling(&id.into(), 0).await.unwrap());
}

async fn one_transfer_pays_for_one_purchase(place: Place) {
    let store = place.open().await;
    for (id, nonce) in [("pay-1", "0x1"), ("pay-2", "0x2"), ("pay-3", "0x3")] {
        settling(&store, id, nonce, None).await;
    }
    assert!(
        store
            .mark_settled(&"pay-1".into(), seen("0xfeed", 4), 1)
            .await
            .unwrap()
    );
    let again = store
        .mark_settled(&"pay-2".into(), seen("0xfeed", 4), 1)
        .await;
    assert!(matches!(again, Err(StoreError::EvidenceTaken)), "{again:?}");
    // Another log of the same transaction is another transfer, and what was only reported is no
    // evidence.
    assert!(
        store
            .mark_settled(&"pay-2".into(), seen("0xfeed", 5), 1)
            .await
            .unwrap()
    );
    assert!(
        store
            .mark_settled(&"pay-3".into(), reported("0xfeed"), 1)
            .await
            .unwrap()
    );
    let moved = store
        .replace_evidence(&"pay-2".into(), seen("0xfeed", 4), 2)
        .await;
    assert!(matches!(moved, Err(StoreError::EvidenceTaken)), "{moved:?}");
    assert!(
        store
            .replace_evidence(&"pay-2".into(), seen("0xbeef", 4), 2)
            .await
            .unwrap()
    );
    let row = store.payment(&"pay-2".into()).await.unwrap().unwrap();
    assert_eq!(
        (
            row.transaction.as_deref(),
            row.log_index,
            row.block,
            row.checked_at
        ),
        (Some("0xbeef"), Some(4), Some(7), Some(2))
    );
}

async fn a_refused_payment_that_moved_money_after_all_can_settle(place: Place) {
    let store = place.open().await;
    let key = Some("0123456789abcdef");
    settling(&store, "pay-1", "0x1", key).await;
    assert!(
        store
            .mark_refused(&"pay-1".into(), "balance", 1)
            .await
            .unwrap()
    );
    assert!(store.refusals_to_check(299).await.unwrap().is_empty());
    assert_eq!(store.refusals_to_check(300).await.unwrap().len(), 1);
    // Its key was given back and serves another payment now.
    settling(&store, "pay-2", "0x2", key).await;
    assert!(
        store
            .mark_settled(&"pay-1".into(), seen("0xfeed", 4), 2)
            .await
            .unwrap()
    );
    assert!(store.mark_checked(&"pay-1".into(), 3).await.unwrap());
    assert!(store.refusals_to_check(300).await.unwrap().is_empty());
    let row = store.payment(&"pay-1".into()).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.idempotency_key),
        (PaymentState::Settled, None)
    );
}

async fn what_was_looked_for_while_it_was_unresolved_is_looked_at_again_once_it_is_over(
    place: Place,
) {
    let store = place.open().await;
    for (id, nonce) in [("pay-1", "0x1"), ("pay-2", "0x2")] {
        settling(&store, id, nonce, None).await;
        assert!(
            store
                .mark_unresolved(&id.into(), "unknown", 1)
                .await
                .unwrap()
        );
        // The hourly look.
        assert!(store.mark_checked(&id.into(), 2).await.unwrap());
    }
    assert!(
        store
            .mark_refused(&"pay-1".into(), "person", 3)
            .await
            .unwrap()
    );
    assert!(
        store
            .mark_settled(&"pay-2".into(), seen("0xfeed", 4), 3)
            .await
            .unwrap()
    );
    let ids =
        |rows: Vec<Payment>| -> Vec<_> { rows.into_iter().map(|row| row.payment_id).collect() };
    let refusals = store.refusals_to_check(300).await.unwrap();
    assert_eq!(ids(refusals), ["pay-1"]);
    let transfers = store.transfers_to_check(300).await.unwrap();
    assert_eq!(ids(transfers), ["pay-2"]);
}

async fn an_operation_is_begun_once(place: Place) {
    let store = place.open().await;
    settling(&store, "pay-1", "0x1", None).await;
    assert!(!store.begin_performance(&"pay-1".into(), 1).await.unwrap());
    assert!(
        store
            .mark_settled(&"pay-1".into(), reported("0xfeed"), 1)
            .await
            .unwrap()
    );
    assert!(store.begin_performance(&"pay-1".into(), 2).await.unwrap());
    assert!(!store.begin_performance(&"pay-1".into(), 3).await.unwrap());
    assert!(store.take_performance_back(&"pay-1".into()).await.unwrap());
    assert!(store.begin_performance(&"pay-1".into(), 4).await.unwrap());
}
