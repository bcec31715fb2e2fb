//! Invariants under concurrent writes: on SQLite one writer keeps them, on PostgreSQL constraints,
//! compare-and-set statements, and the locks of a lease, a wallet or the claims.

use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex},
};

use futures_util::future::join_all;

use super::*;
use crate::payment_machine::PaymentState;

on_both!(
    one_of_many_has_a_nonce_and_one_has_a_key,
    bounds_hold_when_a_wallet_claims_many_at_once,
    a_payment_that_comes_again_waits_until_its_first_machine_is_taken_back,
    the_last_purchase_is_owed_first_whatever_the_clocks_of_replicas_say,
    a_transfer_pays_for_one_of_two_that_settle_at_once,
    a_payment_is_owed_in_part_or_as_a_whole,
    a_nonce_that_is_taken_again_is_not_removed,
    a_change_that_a_deadlock_rolls_back_is_made_again,
    a_move_that_does_not_fit_harms_none_that_is_made_with_it,
    a_lease_is_renewed_or_ended_and_never_both,
);

/// Two replicas, where the database can have two.
async fn two(place: &Place) -> [Store; 2] {
    match place.database {
        Database::File(_) => {
            let store = place.open().await;
            [store.clone(), store]
        }
        Database::Server(_) => [place.open().await, place.open().await],
    }
}

async fn one_of_many_has_a_nonce_and_one_has_a_key(place: Place) {
    let stores = two(&place).await;
    let reserve = |number: usize, nonce: String, key: Option<String>| {
        let store = stores[number % 2].clone();
        let new = NewPayment {
            idempotency_key: key,
            ..payment(&format!("{nonce}-{number}"), PAYER, &nonce)
        };
        tokio::spawn(async move { store.reserve(new, 0).await.unwrap() })
    };
    let of_one_nonce = (0..24).map(|number| reserve(number, "0x1".into(), None));
    let of_one_nonce: Vec<_> = of_one_nonce.collect();
    let of_one_key =
        (0..24).map(|number| reserve(number, format!("0xa{number}"), Some("k".into())));
    let of_one_key: Vec<_> = of_one_key.collect();
    for asked in [of_one_nonce, of_one_key] {
        let told: Vec<_> = join_all(asked)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let reserved = |told: &&Reservation| matches!(told, Reservation::Reserved { .. });
        let ids: BTreeSet<_> = told
            .iter()
            .map(|told| match told {
                Reservation::Reserved { payment_id } | Reservation::Known { payment_id } => {
                    payment_id.to_string()
                }
                Reservation::Conflict => panic!("it is the same request"),
            })
            .collect();
        assert_eq!(told.iter().filter(reserved).count(), 1);
        assert_eq!(ids.len(), 1, "all are told the same payment");
    }
}

async fn bounds_hold_when_a_wallet_claims_many_at_once(place: Place) {
    let stores = two(&place).await;
    let claims = (0..16).map(|number: u32| {
        let store = stores[number as usize % 2].clone();
        tokio::spawn(async move { claimed(&store, number, PAYER).await })
    });
    let told = join_all(claims).await.into_iter().map(Result::unwrap);
    let (given, refused): (Vec<_>, Vec<_>) =
        told.partition(|told| matches!(told, ClaimOutcome::Claimed { .. }));
    assert_eq!(given.len(), 2, "as many as may be in the making");
    assert!(refused.iter().all(|told| *told == ClaimOutcome::InFlight));
}

async fn a_payment_that_comes_again_waits_until_its_first_machine_is_taken_back(place: Place) {
    let [one, two] = two(&place).await;
    assert!(matches!(
        claimed(&one, 1, PAYER).await,
        ClaimOutcome::Claimed { .. }
    ));
    let (id, lease): (PaymentId, LeaseId) = ("pay-1".into(), "lease-1".into());
    assert!(one.mark_released(&id, "test", 1).await.unwrap());
    let again = two
        .reserve(payment("pay-2", PAYER, "0x1"), 2)
        .await
        .unwrap();
    assert_eq!(
        again,
        Reservation::Reserved {
            payment_id: id.clone()
        }
    );
    let second = || Claim {
        payment_id: id.clone(),
        ..claim(2, PAYER)
    };
    let told = two.claim(second(), LIMITS, 2).await;
    assert_eq!(told.unwrap(), ClaimOutcome::PaymentMoved);
    let (from, undoing) = (LeaseState::Provisioning, LeaseState::Undoing);
    assert!(one.move_lease(&lease, from, undoing, 3).await.unwrap());
    let told = two.claim(second(), LIMITS, 4).await.unwrap();
    assert!(matches!(told, ClaimOutcome::Claimed { .. }), "{told:?}");
}

/// A database whose default isolation gives a whole transaction the snapshot of its first
/// statement, which here waits for a lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn bounds_hold_where_the_database_isolates_transactions_more() {
    for level in ["repeatable read", "serializable"] {
        let place = Place::server().await;
        let Database::Server(server) = &place.database else {
            panic!("no server");
        };
        let shown = server.to_string();
        let database = shown.rsplit_once('/').unwrap().1;
        let sql =
            format!("ALTER DATABASE {database} SET default_transaction_isolation = '{level}'");
        let set = tokio::task::spawn_blocking(move || {
            postgres::Postgres::shared().sql("postgres", &sql);
        });
        set.await.unwrap();
        bounds_hold_when_a_wallet_claims_many_at_once(place).await;
    }
}

async fn the_last_purchase_is_owed_first_whatever_the_clocks_of_replicas_say(place: Place) {
    let [one, two] = two(&place).await;
    activated(&one, 1, 100).await;
    let lease_id: LeaseId = "lease-1".into();
    let renew = async |store: &Store, name: &str, minutes: u32, now: i64| {
        let id: PaymentId = name.into();
        let new = payment(name, PAYER, &format!("0x{name}"));
        store.reserve(new, now).await.unwrap();
        assert!(store.mark_settling(&id, now).await.unwrap());
        let transfer = reported(&format!("0x{name}"));
        assert!(store.mark_settled(&id, transfer, now).await.unwrap());
        let renewal = Renewal {
            lease_id: lease_id.clone(),
            payment_id: id,
            minutes: Minutes(minutes),
            grace_seconds: 600,
        };
        let renewed = store.renew(renewal, now).await.unwrap();
        assert!(matches!(renewed, RenewalOutcome::Renewed { .. }));
    };
    // The replica that sells the second one is a minute behind.
    renew(&one, "first", 10, 200).await;
    renew(&two, "last", 10, 145).await;
    let end = one.lease(&lease_id).await.unwrap().unwrap().expires_at;
    // The container is lost a minute before the lease's end.
    let since = end.unwrap() - 60;
    let owed = one.end_lost_lease(&lease_id, since, since + 30).await;
    let owed = owed.unwrap().unwrap();
    let owed: Vec<_> = owed
        .iter()
        .map(|(id, amount)| (id.as_str(), *amount))
        .collect();
    assert_eq!(owed, [("last", 100)]);
}

async fn a_transfer_pays_for_one_of_two_that_settle_at_once(place: Place) {
    let stores = two(&place).await;
    for round in 0..8 {
        let ids = [0, 1].map(|which| PaymentId::from(format!("pay-{round}-{which}").as_str()));
        for (id, store) in ids.iter().zip(&stores) {
            let new = payment(id, PAYER, &format!("0x{id}"));
            store.reserve(new, 0).await.unwrap();
            assert!(store.mark_settling(id, 0).await.unwrap());
        }
        let transfer = seen(&format!("0x{round}"), 1);
        let settled = ids.iter().zip(&stores);
        let settled = settled.map(|(id, store)| store.mark_settled(id, transfer.clone(), 1));
        let told = join_all(settled).await;
        let good = told.iter().filter(|told| matches!(told, Ok(true))).count();
        let taken = |told: &&Result<bool, _>| matches!(told, Err(StoreError::EvidenceTaken));
        assert_eq!(
            (good, told.iter().filter(taken).count()),
            (1, 1),
            "{told:?}"
        );
    }
}

async fn a_payment_is_owed_in_part_or_as_a_whole(place: Place) {
    let [one, two] = two(&place).await;
    for number in 1..=8 {
        activated(&one, number, 0).await;
        let id: PaymentId = format!("renewal-{number}").as_str().into();
        let lease_id: LeaseId = format!("lease-{number}").as_str().into();
        let new = payment(&id, PAYER, &format!("0xb{number}"));
        one.reserve(new, 0).await.unwrap();
        assert!(one.mark_settling(&id, 0).await.unwrap());
        assert!(one.mark_settled(&id, reported("0xfeed"), 0).await.unwrap());
        let renewal = Renewal {
            lease_id: lease_id.clone(),
            payment_id: id.clone(),
            minutes: Minutes(60),
            grace_seconds: 600,
        };
        one.renew(renewal, 0).await.unwrap();
        let (lost, owed) = tokio::join!(
            one.end_lost_lease(&lease_id, 60, 60),
            two.owe_undelivered(&id, "undelivered", 60)
        );
        lost.unwrap();
        owed.unwrap();
        let debts = one.debts_of(&id).await.unwrap();
        assert!(
            debts.iter().map(|debt| debt.amount).sum::<u64>() <= 1000,
            "{debts:?}"
        );
    }
}

async fn a_nonce_that_is_taken_again_is_not_removed(place: Place) {
    let [one, two] = two(&place).await;
    for number in 0..16 {
        let id: PaymentId = format!("pay-{number}").as_str().into();
        let new = payment(&id, PAYER, &format!("0x{number}"));
        one.reserve(new.clone(), 0).await.unwrap();
        assert!(one.mark_released(&id, "test", 1).await.unwrap());
        let (removed, again) = tokio::join!(one.remove_released(9), two.reserve(new, 9));
        removed.unwrap();
        let Reservation::Reserved { payment_id } = again.unwrap() else {
            panic!("it was given back");
        };
        let row = one.payment(&payment_id).await.unwrap().expect("its row");
        assert_eq!(row.state, PaymentState::Reserved);
    }
}

/// Two changes that lock the same two rows in opposite orders: PostgreSQL ends the deadlock by
/// rolling one of them back, and it is made again. SQLite has one writer, so that no deadlock comes
/// about.
async fn a_change_that_a_deadlock_rolls_back_is_made_again(place: Place) {
    let stores = two(&place).await;
    stores[0]
        .set_installation_value("a", "0".into())
        .await
        .unwrap();
    stores[0]
        .set_installation_value("b", "0".into())
        .await
        .unwrap();
    let has_many_writers = matches!(place.database, Database::Server(_));
    let rows_locked = Arc::new((Mutex::new(0), Condvar::new()));
    let raise = |store: &Store, names: [&'static str; 2]| {
        let (store, rows_locked) = (store.clone(), Arc::clone(&rows_locked));
        tokio::spawn(async move {
            let change = move |db: Db<'_>| {
                for name in names {
                    let sql = "UPDATE installation SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = ?1";
                    db.execute(sql, values![name])?;
                    let (locked, changed) = &*rows_locked;
                    let mut locked = locked.lock().unwrap();
                    *locked += 1;
                    changed.notify_all();
                    // Neither goes on to its second row before the other has locked its first one.
                    if has_many_writers {
                        let deadline = std::time::Duration::from_secs(20);
                        drop(
                            changed
                                .wait_timeout_while(locked, deadline, |locked| *locked < 2)
                                .unwrap(),
                        );
                    }
                }
                Ok(())
            };
            store.write(ChangeLock::None, change).await
        })
    };
    let both = [raise(&stores[0], ["a", "b"]), raise(&stores[1], ["b", "a"])];
    for done in join_all(both).await {
        done.unwrap().unwrap();
    }
    for name in ["a", "b"] {
        assert_eq!(
            stores[1].installation_value(name).await.unwrap().as_deref(),
            Some("2")
        );
    }
    // Without a deadlock each of the two locks two rows once.
    let locked = *rows_locked.0.lock().unwrap();
    assert_eq!(locked > 4, has_many_writers, "{locked} rows were locked");
}

async fn a_move_that_does_not_fit_harms_none_that_is_made_with_it(place: Place) {
    let store = place.open().await;
    let ids: Vec<PaymentId> = (0..40)
        .map(|number| format!("pay-{number}").as_str().into())
        .collect();
    for (number, id) in ids.iter().enumerate() {
        let new = payment(id, PAYER, &format!("0x{number}"));
        store.reserve(new, 0).await.unwrap();
        if number % 5 == 0 {
            assert!(store.mark_released(id, "test", 0).await.unwrap());
        }
    }
    let settling = ids.iter().map(|id| store.mark_settling(id, 1));
    for (number, moved) in join_all(settling).await.into_iter().enumerate() {
        assert_eq!(moved.unwrap(), number % 5 != 0, "{number}");
    }
}

async fn a_lease_is_renewed_or_ended_and_never_both(place: Place) {
    let [one, two] = two(&place).await;
    for number in 1..=8 {
        activated(&one, number, 0).await;
        let lease_id: LeaseId = format!("lease-{number}").as_str().into();
        let id: PaymentId = format!("renewal-{number}").as_str().into();
        one.reserve(payment(&id, PAYER, &format!("0xb{number}")), 0)
            .await
            .unwrap();
        let renewal = Renewal {
            lease_id: lease_id.clone(),
            payment_id: id,
            minutes: Minutes(60),
            grace_seconds: 600,
        };
        let ended = async {
            let (from, to) = (LeaseState::Active, LeaseState::Destroying);
            two.move_lease(&lease_id, from, to, 9).await
        };
        let (renewed, ended) = tokio::join!(one.renew(renewal, 9), ended);
        let is_renewed = matches!(renewed.unwrap(), RenewalOutcome::Renewed { .. });
        let state = one.lease(&lease_id).await.unwrap().unwrap().state;
        // A renewal may come first and be ended after it; a lease that is being ended is renewed by
        // nothing.
        assert!(ended.unwrap() || is_renewed);
        assert_eq!(state, LeaseState::Destroying, "renewed: {is_renewed}");
        let (from, to) = (LeaseState::Destroying, LeaseState::Destroyed);
        assert!(one.move_lease(&lease_id, from, to, 10).await.unwrap());
    }
}
