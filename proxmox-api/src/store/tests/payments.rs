//! Nonces, replays and guarded moves.

use super::*;

on_both![
    one_of_many_concurrent_copies_gets_the_nonce,
    a_replay_gets_what_the_rules_say,
    a_released_nonce_and_its_key_can_be_used_again,
    a_payment_moves_only_from_the_expected_state,
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
            other => assert!(
                matches!(
                    other,
                    Reservation::Known {
                        state: PaymentState::Reserved,
                        ..
                    }
                ),
                "{other:?}"
            ),
        }
    }
    assert_eq!(reserved, 1);
    assert_eq!(
        store
            .payments_by_payer(PAYER, None, 100)
            .await
            .unwrap()
            .len(),
        1
    );
}

async fn a_replay_gets_what_the_rules_say(place: Place) {
    let store = place.open().await;
    let first = NewPayment {
        idempotency_key: Some("key".into()),
        ..payment("pay-1", PAYER, "0x1")
    };
    store.reserve(first.clone(), 0).await.unwrap();
    let before = store.reserve(first.clone(), 1).await.unwrap();
    assert!(
        matches!(
            before,
            Reservation::Known {
                state: PaymentState::Reserved,
                transaction: None,
                ..
            }
        ),
        "{before:?}"
    );
    assert!(store.mark_verified("pay-1", 1).await.unwrap());
    assert!(store.mark_settling("pay-1", 1).await.unwrap());
    assert!(store.mark_settled("pay-1", "0xfeed", 1).await.unwrap());
    assert!(store.mark_answered("pay-1", answer()).await.unwrap());
    let public = Reservation::Known {
        payment_id: "pay-1".into(),
        state: PaymentState::Answered,
        transaction: Some("0xfeed".into()),
    };
    let replay = Reservation::Replay {
        payment_id: "pay-1".into(),
        answer: answer(),
    };
    // nonce, digest, key, outcome
    let table = [
        ("0x1", "digest", Some("key"), replay.clone()),
        ("0x1", "digest", None, public.clone()),
        ("0x1", "digest", Some("guess"), public),
        ("0x1", "other", Some("key"), Reservation::Conflict),
        ("0x1", "other", None, Reservation::Conflict),
        ("0x2", "digest", Some("key"), replay),
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
            .mark_released("pay-1", "facilitator away", 1)
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
    let row = store.payment("pay-1").await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.digest.as_str(), row.reason),
        (PaymentState::Reserved, "other", None)
    );
}

async fn a_payment_moves_only_from_the_expected_state(place: Place) {
    let store = place.open().await;
    store
        .reserve(payment("pay-1", PAYER, "0x1"), 0)
        .await
        .unwrap();
    assert!(!store.mark_settled("pay-1", "0xfeed", 1).await.unwrap());
    assert!(!store.mark_answered("pay-1", answer()).await.unwrap());
    assert!(store.mark_verified("pay-1", 1).await.unwrap());
    assert!(!store.mark_verified("pay-1", 1).await.unwrap());
    assert!(store.mark_settling("pay-1", 1).await.unwrap());
    assert!(!store.mark_settling("pay-1", 1).await.unwrap());
    assert!(!store.mark_verified("pay-1", 1).await.unwrap());
    assert!(
        !store.mark_released("pay-1", "late", 1).await.unwrap(),
        "money may have moved"
    );
    assert!(
        store
            .mark_unknown("pay-1", Some("0xfeed"), 1)
            .await
            .unwrap()
    );
    assert!(store.mark_refused("pay-1", "expired", 1).await.unwrap());
    assert!(!store.mark_settled("pay-1", "0xfeed", 1).await.unwrap());
    assert!(store.unfinished_payments().await.unwrap().is_empty());
}
