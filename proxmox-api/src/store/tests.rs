//! The promises of the store, on real files.

use std::collections::{BTreeSet, HashSet};

use tempfile::TempDir;

use super::*;
use crate::lease::LeaseState;

const PAYER: &str = "0xaa";
const LIMITS: ClaimLimits = ClaimLimits {
    in_flight: 2,
    per_wallet: 3,
    reserved: 1_000_000,
};

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    (folder, store)
}

fn payment(id: &str, payer: &str, nonce: &str) -> NewPayment {
    NewPayment {
        payment_id: id.into(),
        network: "eip155:84532".into(),
        asset: "0xA55E".into(),
        payer: payer.into(),
        nonce: nonce.into(),
        digest: "digest".into(),
        idempotency_key: None,
        amount: 1000,
        pay_to: "0xbb".into(),
        valid_before: 300,
        request: "{}".into(),
        operation: "lease".into(),
    }
}

fn claim(number: u32, owner: &str) -> Claim {
    Claim {
        lease_id: format!("lease-{number}"),
        payment_id: format!("pay-{number}"),
        node: "pve".into(),
        owner: owner.into(),
        sku: "small".into(),
        hostname: "box".into(),
        cores: 1,
        memory_mb: 512,
        disk_gb: 8,
        minutes: 60,
        vmids: 500..=531,
        busy: HashSet::from([500]),
    }
}

async fn claimed(store: &Store, number: u32, owner: &str) -> ClaimOutcome {
    let id = format!("pay-{number}");
    store
        .reserve(payment(&id, owner, &format!("0x{number}")), 0)
        .await
        .unwrap();
    store
        .claim_lease(claim(number, owner), LIMITS, 0)
        .await
        .unwrap()
}

fn answer() -> Answer {
    Answer {
        status: 200,
        body: "secret".into(),
    }
}

/// Takes lease `number` through every step up to `active` at time `now`.
async fn activated(store: &Store, number: u32, now: i64) {
    use LeaseState::*;
    let (lease, pay) = (format!("lease-{number}"), format!("pay-{number}"));
    assert!(matches!(
        claimed(store, number, PAYER).await,
        ClaimOutcome::Claimed { .. }
    ));
    for (from, to) in [
        (Provisioning, CreateSent),
        (CreateSent, Created),
        (Created, Probed),
        (Probed, Settling),
    ] {
        assert!(store.move_lease(&lease, from, to, now).await.unwrap());
    }
    assert!(store.mark_settling(&pay, now).await.unwrap());
    assert!(
        !store
            .activate_lease(&lease, None, 600, answer(), now)
            .await
            .unwrap(),
        "not before the money moved"
    );
    assert!(store.mark_settled(&pay, "0xfeed", now).await.unwrap());
    assert!(
        store
            .activate_lease(&lease, None, 600, answer(), now)
            .await
            .unwrap()
    );
    assert!(
        !store
            .activate_lease(&lease, None, 600, answer(), now + 9)
            .await
            .unwrap(),
        "only once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_concurrent_copies_gets_the_nonce() {
    let (_folder, store) = open();
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
    assert_eq!(store.payments_by_payer(PAYER, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_replay_gets_what_the_rules_say() {
    let (_folder, store) = open();
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
    assert!(store.mark_answered("pay-1", answer(), 1).await.unwrap());
    let public = Reservation::Known {
        payment_id: "pay-1".into(),
        state: PaymentState::Answered,
        transaction: Some("0xfeed".into()),
    };
    let replay = Reservation::Replay { answer: answer() };
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

#[tokio::test]
async fn a_released_nonce_and_its_key_can_be_used_again() {
    let (_folder, store) = open();
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

#[tokio::test]
async fn a_payment_moves_only_from_the_expected_state() {
    let (_folder, store) = open();
    store
        .reserve(payment("pay-1", PAYER, "0x1"), 0)
        .await
        .unwrap();
    assert!(!store.mark_settling("pay-1", 1).await.unwrap());
    assert!(!store.mark_settled("pay-1", "0xfeed", 1).await.unwrap());
    assert!(!store.mark_answered("pay-1", answer(), 1).await.unwrap());
    assert!(store.mark_verified("pay-1", 1).await.unwrap());
    assert!(!store.mark_verified("pay-1", 1).await.unwrap());
    assert!(store.mark_settling("pay-1", 1).await.unwrap());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vmid_is_handed_out_twice() {
    let (_folder, store) = open();
    let claims: Vec<_> = (0..40)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { claimed(&store, i, &format!("0x{i}")).await })
        })
        .collect();
    let (mut vmids, mut full) = (Vec::new(), 0);
    for claim in claims {
        match claim.await.unwrap() {
            ClaimOutcome::Claimed { vmid } => vmids.push(vmid),
            other => {
                assert_eq!(other, ClaimOutcome::NoVmid);
                full += 1;
            }
        }
    }
    // 500 is used by somebody else.
    assert_eq!((vmids.len(), full), (31, 9));
    assert_eq!(
        vmids.into_iter().collect::<BTreeSet<_>>(),
        (501..=531).collect()
    );
    let lease = store.lease_by_vmid(510).await.unwrap().unwrap();
    use LeaseState::*;
    for (from, to) in [(Provisioning, Undoing), (Undoing, Destroyed)] {
        assert!(
            store
                .move_lease(&lease.lease_id, from, to, 1)
                .await
                .unwrap()
        );
    }
    assert_eq!(
        claimed(&store, 99, "0x99").await,
        ClaimOutcome::Claimed { vmid: 510 },
        "free once destroyed"
    );
}

#[tokio::test]
async fn a_payer_is_held_to_the_bounds() {
    let (_folder, store) = open();
    assert!(matches!(
        claimed(&store, 1, PAYER).await,
        ClaimOutcome::Claimed { .. }
    ));
    assert!(matches!(
        claimed(&store, 2, PAYER).await,
        ClaimOutcome::Claimed { .. }
    ));
    assert_eq!(claimed(&store, 3, PAYER).await, ClaimOutcome::InFlight);
    assert_eq!(
        store.payment("pay-3").await.unwrap().unwrap().state,
        PaymentState::Reserved,
        "nothing changed"
    );

    let (_folder, store) = open();
    for number in 1..=3 {
        activated(&store, number, 0).await;
    }
    assert_eq!(claimed(&store, 4, PAYER).await, ClaimOutcome::TooMany);

    let (_folder, store) = open();
    store
        .reserve(payment("pay-1", PAYER, "0x1"), 0)
        .await
        .unwrap();
    let poor = ClaimLimits {
        reserved: 999,
        ..LIMITS
    };
    assert_eq!(
        store.claim_lease(claim(1, PAYER), poor, 0).await.unwrap(),
        ClaimOutcome::TooMuchReserved
    );
    store.mark_released("pay-1", "", 0).await.unwrap();
    assert_eq!(
        store.claim_lease(claim(1, PAYER), LIMITS, 0).await.unwrap(),
        ClaimOutcome::PaymentMoved
    );
}

#[tokio::test]
async fn a_lease_warns_stops_and_goes_at_its_deadlines() {
    let (_folder, store) = open();
    activated(&store, 1, 1000).await;
    let due = async |now| {
        let due = store.due_leases(300, now).await.unwrap();
        due.into_iter().map(|due| due.action).collect::<Vec<_>>()
    };
    assert_eq!(store.next_deadline(300).await.unwrap(), Some(4300));
    assert_eq!(due(4299).await, []);
    assert_eq!(due(4300).await, [DueAction::Warn]);
    assert!(store.mark_warned("lease-1", 4300).await.unwrap());
    assert!(!store.mark_warned("lease-1", 4300).await.unwrap());
    assert_eq!(store.next_deadline(300).await.unwrap(), Some(4600));
    assert_eq!(due(4600).await, [DueAction::Stop]);
    assert!(
        store
            .move_lease("lease-1", LeaseState::Active, LeaseState::Expiring, 4600)
            .await
            .unwrap()
    );
    assert_eq!(store.unfinished_leases().await.unwrap().len(), 1);
    assert!(
        store
            .move_lease("lease-1", LeaseState::Expiring, LeaseState::Stopped, 4600)
            .await
            .unwrap()
    );
    assert_eq!(store.next_deadline(300).await.unwrap(), Some(5200));
    assert_eq!(due(5200).await, [DueAction::Destroy]);
    assert!(
        !store
            .move_lease("lease-1", LeaseState::Active, LeaseState::Expiring, 5200)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_renewal_counts_once_and_from_the_later_of_now_and_the_end() {
    let (_folder, store) = open();
    activated(&store, 1, 0).await;
    for number in [2, 3, 4] {
        store
            .reserve(
                payment(&format!("pay-{number}"), PAYER, &format!("0x{number}")),
                0,
            )
            .await
            .unwrap();
    }
    let renewal = |number: u32| Renewal {
        lease_id: "lease-1".into(),
        payment_id: format!("pay-{number}"),
        minutes: 10,
        grace_seconds: 600,
    };
    let early = RenewalOutcome::Renewed {
        expires_at: 4200,
        was: LeaseState::Active,
    };
    assert_eq!(store.renew(renewal(2), 100).await.unwrap(), early);
    assert_eq!(
        store.renew(renewal(2), 200).await.unwrap(),
        early,
        "the same payment extends nothing twice"
    );
    use LeaseState::*;
    assert!(
        store
            .move_lease("lease-1", Active, Expiring, 4200)
            .await
            .unwrap()
    );
    assert!(
        store
            .move_lease("lease-1", Expiring, Stopped, 4200)
            .await
            .unwrap()
    );
    let late = RenewalOutcome::Renewed {
        expires_at: 5100,
        was: Stopped,
    };
    assert_eq!(store.renew(renewal(3), 4500).await.unwrap(), late);
    let lease = store.lease("lease-1").await.unwrap().unwrap();
    assert_eq!((lease.state, lease.destroy_at), (Active, Some(5700)));
    assert!(
        store
            .move_lease("lease-1", Active, Destroying, 4600)
            .await
            .unwrap()
    );
    assert_eq!(
        store.renew(renewal(4), 4600).await.unwrap(),
        RenewalOutcome::NotRenewable
    );
}

#[tokio::test]
async fn a_reopened_file_keeps_everything_and_is_migrated_once() {
    let (folder, store) = open();
    activated(&store, 1, 0).await;
    store
        .append_event(5, "lease-1", "active", &serde_json::json!({"a": 1}))
        .await
        .unwrap();
    store.demo_faucet("n", "0xa", PAYER, 70).await.unwrap();
    let look = async |store: &Store| {
        let payments = store.payments_by_payer(PAYER, 9).await.unwrap();
        let leases = store.leases_by_owner("0xAA").await.unwrap();
        let events = store.events("lease-1", 0, 9).await.unwrap();
        (
            payments,
            leases,
            events,
            store.demo_balance("n", "0xA", PAYER).await.unwrap(),
        )
    };
    let before = look(&store).await;
    assert_eq!(
        (before.0.len(), before.1.len(), before.2.len(), before.3),
        (1, 1, 1, 70)
    );
    drop(store);
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    assert_eq!(look(&store).await, before);
    let version = store
        .read(|db| Ok(db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?))
        .await
        .unwrap();
    assert_eq!(version, 1);
}

#[tokio::test]
async fn events_cannot_be_changed() {
    let (_folder, store) = open();
    store
        .append_event(5, "lease-1", "active", &serde_json::json!({}))
        .await
        .unwrap();
    for sql in ["UPDATE events SET at = 6", "DELETE FROM events"] {
        let refused = store.write(move |db| Ok(db.execute(sql, [])?)).await;
        assert!(matches!(refused, Err(StoreError::Sqlite(_))), "{sql}");
    }
    assert_eq!(store.events("lease-1", 0, 9).await.unwrap()[0].at, 5);
}

#[tokio::test]
async fn a_failed_or_panicking_change_leaves_nothing_and_harms_no_other() {
    let (_folder, store) = open();
    let insert = "INSERT INTO challenges (nonce, expires_at) VALUES ('half', 9)";
    let failed = store.write::<(), _>(move |db| {
        db.execute(insert, [])?;
        Err(StoreError::Range("test"))
    });
    let panicked = store.write::<(), _>(move |db| {
        db.execute(insert, [])?;
        panic!("on purpose")
    });
    let (failed, panicked, good) =
        tokio::join!(failed, panicked, store.create_challenge("whole", 9, 0));
    assert!(matches!(failed, Err(StoreError::Range(_))));
    assert!(matches!(panicked, Err(StoreError::Stopped)));
    good.unwrap();
    assert!(!store.consume_challenge("half", 1).await.unwrap());
    assert!(store.consume_challenge("whole", 1).await.unwrap());
}

#[tokio::test]
async fn a_challenge_works_once_and_a_session_until_it_expires() {
    let (_folder, store) = open();
    store.create_challenge("nonce", 10, 0).await.unwrap();
    store.create_challenge("old", 10, 0).await.unwrap();
    assert!(!store.consume_challenge("old", 10).await.unwrap());
    let (one, two) = tokio::join!(
        store.consume_challenge("nonce", 5),
        store.consume_challenge("nonce", 5)
    );
    assert_ne!(one.unwrap(), two.unwrap());
    store.create_session("hash", "0xAA", 10, 0).await.unwrap();
    assert_eq!(
        store.session_wallet("hash", 9).await.unwrap().as_deref(),
        Some(PAYER)
    );
    assert_eq!(store.session_wallet("hash", 10).await.unwrap(), None);
    assert_eq!(store.session_wallet("other", 0).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demo_money_moves_once_per_nonce_and_is_never_overdrawn() {
    let (_folder, store) = open();
    store.demo_faucet("n", "0xa", PAYER, 100).await.unwrap();
    assert_eq!(
        store.demo_faucet("n", "0xa", PAYER, 100).await.unwrap(),
        100
    );
    let transfer = |nonce: u32, amount: u64, copy: u32| Transfer {
        network: "n".into(),
        asset: "0xa".into(),
        sender: PAYER.into(),
        recipient: "0xbb".into(),
        nonce: format!("0x{nonce}"),
        amount,
        transaction: format!("tx-{nonce}-{copy}"),
    };
    let transfers: Vec<_> = (0..64)
        .map(|i| {
            let (store, transfer) = (store.clone(), transfer(i % 32, 10, i / 32));
            tokio::spawn(async move { store.demo_transfer(transfer, 0).await.unwrap() })
        })
        .collect();
    let mut moved = Vec::new();
    for transfer in transfers {
        if let TransferOutcome::Moved { transaction } = transfer.await.unwrap() {
            moved.push(transaction);
        }
    }
    assert_eq!(moved.len(), 10);
    assert_eq!(store.demo_balance("n", "0xa", PAYER).await.unwrap(), 0);
    assert_eq!(store.demo_balance("n", "0xa", "0xbb").await.unwrap(), 100);
    let nonce: u32 = moved[0].split('-').nth(1).unwrap().parse().unwrap();
    let again = store
        .demo_transfer(transfer(nonce, 10, 9), 0)
        .await
        .unwrap();
    assert_eq!(
        again,
        TransferOutcome::AlreadyMoved {
            transaction: moved[0].clone()
        }
    );
    assert_eq!(
        store
            .demo_transfer(transfer(nonce, 11, 9), 0)
            .await
            .unwrap(),
        TransferOutcome::NonceUsed
    );
}
