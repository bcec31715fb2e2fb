//! Credit: what a wallet paid in is spent once, given back once, and never more than it has.

use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::payment_machine::{NewState, Transition};

on_both![
    a_call_takes_what_it_held_or_gives_it_back,
    a_key_spends_no_more_than_its_limits,
    credit_for_a_hundred_calls_buys_a_hundred_of_any_number_at_a_time,
    a_top_up_counts_once_and_makes_one_key,
    the_ledger_is_append_only,
    a_check_finds_each_record_that_differs,
];

const NOW: i64 = 1_000_000;

pub(super) async fn topped_up(store: &Store, id: &str, amount: u64, now: i64) -> TopUpOutcome {
    let top_up = TopUp {
        payment_id: id.into(),
        wallet: wallet(PAYER),
        amount,
        network: "eip155:84532".into(),
        keys: vec![key(&format!("{:0>8}", id.len()))],
    };
    let first = store.top_up(top_up.clone(), now).await.unwrap();
    assert_eq!(store.top_up(top_up, now).await.unwrap(), first, "once only");
    first
}

pub(super) fn key(id: &str) -> NewApiKey {
    NewApiKey {
        key_id: id.into(),
        key_hash: format!("hash of {id}"),
        test: true,
        wallet: wallet(PAYER),
        name: "of a test".into(),
        scopes: vec![api_types::KeyScope::Exec],
        lease_id: None,
        limit_total: None,
        limit_day: None,
        limit_call: None,
        expires_at: None,
    }
}

/// A payment from credit.
pub(super) fn from_credit(id: &str, amount: u64) -> NewPayment {
    NewPayment {
        network: CREDIT_NETWORK.into(),
        amount,
        request: SignedRequest(String::new()),
        arguments: json!({"keyId": null}).to_string(),
        ..payment(id, PAYER, id)
    }
}

fn held(key_id: Option<&str>, amount: u64) -> HeldCredit {
    HeldCredit {
        wallet: wallet(PAYER),
        key_id: key_id.map(Into::into),
        amount,
    }
}

async fn ends(store: &Store, id: &str, target: NewState, change: Change, now: i64) -> bool {
    let wanted = Transition::in_test(&id.into(), PaymentState::Reserved, target).unwrap();
    store.move_payment(wanted, vec![change], now).await.unwrap()
}

/// Answers a payment of the key `11111111`.
pub(super) async fn answered_from_credit(store: &Store, id: &str, amount: u64, now: i64) -> bool {
    let change = Change::Capture(held(Some("11111111"), amount));
    ends(store, id, NewState::Answered(answer()), change, now).await
}

/// Releases a payment of the key `11111111`.
pub(super) async fn released_from_credit(store: &Store, id: &str, amount: u64, now: i64) -> bool {
    let change = Change::Release(held(Some("11111111"), amount));
    ends(store, id, NewState::Released("a test".into()), change, now).await
}

async fn reserve(store: &Store, id: &str, amount: u64, now: i64) -> CreditReservation {
    let key = Some("11111111".into());
    let reserved = store.reserve_from_credit(from_credit(id, amount), key, now);
    reserved.await.unwrap()
}

fn reserved(available: u64) -> CreditReservation {
    CreditReservation::Reserved { available }
}

pub(super) async fn credit(store: &Store) -> (u64, u64) {
    let credit = store.credit_of(&wallet(PAYER)).await.unwrap();
    (credit.balance, credit.held)
}

pub(super) async fn in_order(store: &Store) {
    assert_eq!(store.credit_faults().await.unwrap(), []);
}

async fn with_key(place: &Place, amount: u64, edit: KeyEdit) -> Store {
    let store = place.open().await;
    topped_up(&store, "pay-top", amount, NOW).await;
    assert!(store.create_key(key("11111111"), 9, NOW).await.unwrap());
    let id = "11111111".into();
    assert!(store.change_key(&wallet(PAYER), &id, edit).await.unwrap());
    store
}

async fn a_call_takes_what_it_held_or_gives_it_back(place: Place) {
    let store = with_key(&place, 1_000, KeyEdit::default()).await;
    assert_eq!(reserve(&store, "pay-1", 400, NOW).await, reserved(600));
    assert_eq!(reserve(&store, "pay-2", 600, NOW).await, reserved(0));
    let none = HoldRefusal::Insufficient { available: 0 };
    assert_eq!(
        reserve(&store, "pay-3", 1, NOW).await,
        CreditReservation::Refused(none)
    );
    assert_eq!(credit(&store).await, (1_000, 1_000));
    in_order(&store).await;
    assert!(answered_from_credit(&store, "pay-1", 400, NOW).await);
    assert!(
        !answered_from_credit(&store, "pay-1", 400, NOW).await,
        "once only"
    );
    assert!(!released_from_credit(&store, "pay-1", 400, NOW).await);
    assert!(released_from_credit(&store, "pay-2", 600, NOW).await);
    assert!(!answered_from_credit(&store, "pay-2", 600, NOW).await);
    assert_eq!(credit(&store).await, (600, 0));
    let key = store.key_by_id(&"11111111".into()).await.unwrap().unwrap();
    assert_eq!((key.spent, key.held, key.spent_today(NOW)), (400, 0, 400));
    in_order(&store).await;
    let entries = store.credit_entries(&wallet(PAYER), None, 9).await.unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.kind.as_str(), entry.adds, entry.amount))
        .collect();
    assert_eq!(told, [("charge", false, 400), ("top_up", true, 1_000)]);
    assert_eq!(store.remove_released(NOW + 1).await.unwrap(), 1);
    in_order(&store).await;
}

async fn a_key_spends_no_more_than_its_limits(place: Place) {
    let edit = KeyEdit {
        limit_total: Some(Some(500)),
        limit_day: Some(Some(300)),
        limit_call: Some(Some(250)),
        ..KeyEdit::default()
    };
    let store = with_key(&place, 10_000, edit).await;
    let refused =
        |limit, remaining| CreditReservation::Refused(HoldRefusal::Limit { limit, remaining });
    assert_eq!(
        reserve(&store, "pay-1", 251, NOW).await,
        refused(KeyLimit::Call, 250)
    );
    assert_eq!(reserve(&store, "pay-2", 200, NOW).await, reserved(9_800));
    assert_eq!(
        reserve(&store, "pay-3", 101, NOW).await,
        refused(KeyLimit::Day, 100)
    );
    // What is given back can be spent again.
    assert!(released_from_credit(&store, "pay-2", 200, NOW).await);
    assert_eq!(reserve(&store, "pay-4", 250, NOW).await, reserved(9_750));
    assert!(answered_from_credit(&store, "pay-4", 250, NOW).await);
    let tomorrow = NOW + 24 * 3600;
    assert_eq!(
        reserve(&store, "pay-5", 250, tomorrow).await,
        reserved(9_500)
    );
    // A clock that was set back gives no second day.
    assert_eq!(
        reserve(&store, "pay-6", 51, NOW).await,
        refused(KeyLimit::Total, 0)
    );
    assert!(answered_from_credit(&store, "pay-5", 250, tomorrow).await);
    let later = NOW + 10 * 24 * 3600;
    assert_eq!(
        reserve(&store, "pay-7", 1, later).await,
        refused(KeyLimit::Total, 0)
    );
    in_order(&store).await;
    let (payer, id) = (wallet(PAYER), "11111111".into());
    assert!(store.revoke_key(&payer, &id, NOW).await.unwrap());
    let revoked = CreditReservation::Refused(HoldRefusal::Revoked);
    assert_eq!(reserve(&store, "pay-8", 1, later).await, revoked);
    assert!(
        !store
            .change_key(&payer, &id, KeyEdit::default())
            .await
            .unwrap()
    );
    assert_eq!(credit(&store).await, (9_500, 0));
}

async fn credit_for_a_hundred_calls_buys_a_hundred_of_any_number_at_a_time(place: Place) {
    let store = with_key(&place, 100 * 100, KeyEdit::default()).await;
    let replica = match &place.database {
        // A file has one process.
        Database::File(_) => store.clone(),
        Database::Server(_) => place.open().await,
    };
    let callers = (0..64_u32).map(|caller| {
        let store = if caller % 2 == 0 {
            store.clone()
        } else {
            replica.clone()
        };
        tokio::spawn(async move {
            let mut done = 0;
            for call in 0..3 {
                let id = format!("pay-{caller}-{call}");
                match reserve(&store, &id, 100, NOW).await {
                    CreditReservation::Reserved { .. } => {
                        assert!(answered_from_credit(&store, &id, 100, NOW).await);
                        done += 1;
                    }
                    refused => assert!(matches!(
                        refused,
                        CreditReservation::Refused(HoldRefusal::Insufficient { .. })
                    )),
                }
            }
            done
        })
    });
    let done: Vec<u32> = join_all(callers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(done.iter().sum::<u32>(), 100);
    assert_eq!(credit(&store).await, (0, 0));
    in_order(&store).await;
}

async fn a_top_up_counts_once_and_makes_one_key(place: Place) {
    let store = place.open().await;
    let first = topped_up(&store, "pay-top", 1_000, NOW).await;
    assert_eq!(
        (first.balance, first.key_id.as_deref()),
        (1_000, Some("00000007"))
    );
    // The id of the first candidate is another key's by now.
    let mut other = key("00000007");
    other.key_hash = "another".into();
    let keys = vec![other, key("22222222")];
    let top_up = TopUp {
        payment_id: "pay-top-2".into(),
        wallet: wallet(PAYER),
        amount: 500,
        network: "eip155:84532".into(),
        keys,
    };
    let second = store.top_up(top_up, NOW + 1).await.unwrap();
    assert_eq!(
        (second.balance, second.key_id.as_deref()),
        (1_500, Some("22222222"))
    );
    let since = store.topped_up_since(&wallet(PAYER), NOW + 1).await;
    assert_eq!(since.unwrap(), 500);
    in_order(&store).await;
}

async fn the_ledger_is_append_only(place: Place) {
    let store = place.open().await;
    topped_up(&store, "pay-top", 1_000, NOW).await;
    for sql in ["UPDATE ledger SET amount = 6", "DELETE FROM ledger"] {
        let changed = store.write(ChangeLock::None, move |db| db.execute(sql, &[]));
        let error = changed.await.unwrap_err().to_string();
        assert!(error.contains("append only"), "{error}");
    }
    in_order(&store).await;
}

async fn a_check_finds_each_record_that_differs(place: Place) {
    let store = with_key(&place, 1_000, KeyEdit::default()).await;
    for (id, amount) in [("pay-1", 100), ("pay-2", 200)] {
        reserve(&store, id, amount, NOW).await;
    }
    assert!(answered_from_credit(&store, "pay-1", 100, NOW).await);
    in_order(&store).await;
    for (sql, what) in [
        (
            "UPDATE credit SET balance = balance + 1 WHERE wallet = ?1",
            "balance",
        ),
        (
            "UPDATE credit SET held = held - 1 WHERE wallet = ?1",
            "held",
        ),
        (
            "UPDATE api_keys SET spent = spent + 1 WHERE wallet = ?1 AND key_id = '11111111'",
            "key_spent",
        ),
        (
            "UPDATE api_keys SET held = held + 1 WHERE wallet = ?1 AND key_id = '11111111'",
            "key_held",
        ),
        (
            "UPDATE api_keys SET day_spent = 0 WHERE wallet = ?1 AND key_id = '11111111'",
            "key_day",
        ),
        (
            "UPDATE holds SET state = 'released' WHERE wallet = ?1 AND payment_id = 'pay-2'",
            "hold",
        ),
        (
            "UPDATE holds SET amount = 99 WHERE wallet = ?1 AND payment_id = 'pay-1'",
            "charge",
        ),
    ] {
        let changed = store.write(ChangeLock::None, move |db| {
            db.execute(sql, values![wallet(PAYER)])
        });
        assert_eq!(changed.await.unwrap(), 1, "{what}");
        let found = store.credit_faults().await.unwrap();
        assert!(
            found.iter().any(|fault| fault.what == what),
            "{what}: {found:?}"
        );
    }
}
