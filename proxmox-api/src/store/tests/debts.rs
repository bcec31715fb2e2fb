//! Debts: what makes one, and what ends it.

use super::*;

on_both![
    an_undelivered_payment_is_owed_once,
    a_debt_is_given_back_once
];

async fn owed(store: &Store, id: &str) -> bool {
    store.reserve(payment(id, PAYER, id), 0).await.unwrap();
    assert!(store.mark_settling(&id.into(), 0).await.unwrap());
    let early = store.owe_undelivered(&id.into(), "early", 1).await;
    assert!(!early.unwrap(), "nothing is owed before the money moved");
    assert!(
        store
            .mark_settled(&id.into(), reported("0xfeed"), 1)
            .await
            .unwrap()
    );
    store
        .owe_undelivered(&id.into(), "undelivered", 2)
        .await
        .unwrap()
}

fn event() -> NewEvent {
    NewEvent::new("0x1", "resolved_by_operator", serde_json::json!({}))
}

async fn an_undelivered_payment_is_owed_once(place: Place) {
    let store = place.open().await;
    assert!(owed(&store, "0x1").await);
    let again = store.owe_undelivered(&"0x1".into(), "other", 3).await;
    assert!(!again.unwrap(), "it is answered");
    let due = store.debts_due().await.unwrap();
    assert_eq!(due, store.debts_of(&"0x1".into()).await.unwrap());
    assert_eq!(
        due,
        [Debt {
            payment_id: "0x1".into(),
            reason: "undelivered".into(),
            amount: 1000,
            state: "due".into(),
            note: None,
            transaction: None,
            created_at: 2,
        }]
    );
    let accounts = store.open_accounts().await.unwrap();
    assert_eq!((accounts.due, accounts.unresolved), (1000, 0));
    let listed = store
        .payments_by_payer(&wallet(PAYER), None, 9)
        .await
        .unwrap();
    assert_eq!(
        (listed[0].state, listed[0].due),
        (PaymentState::Answered, 1000)
    );
    assert!(store.unfinished_payments().await.unwrap().is_empty());
}

async fn a_debt_is_given_back_once(place: Place) {
    let store = place.open().await;
    assert!(owed(&store, "0x1").await);
    let pay = async |reason: &str| {
        let id = "0x1".into();
        let paid = store.pay_debt(&id, reason, "sent back", Some("0xbeef"), event(), 9);
        paid.await.unwrap()
    };
    assert!(!pay("another reason").await);
    assert!(pay("undelivered").await);
    assert!(!pay("undelivered").await);
    assert!(store.debts_due().await.unwrap().is_empty());
    let debt = store.debts_of(&"0x1".into()).await.unwrap().remove(0);
    assert_eq!(
        (
            debt.state.as_str(),
            debt.note.as_deref(),
            debt.transaction.as_deref()
        ),
        ("paid", Some("sent back"), Some("0xbeef"))
    );
    assert_eq!(store.open_accounts().await.unwrap().due, 0);
}
