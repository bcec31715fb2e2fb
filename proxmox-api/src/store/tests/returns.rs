//! What becomes credit again: debts to payers, and the time of a lease that its owner ends early.

use serde_json::json;

use super::credit::{credit, in_order};
use super::*;

on_both![a_debt_becomes_credit_once, an_early_end_gives_back_once];

const NOW: i64 = 1_000_000;

async fn a_debt_becomes_credit_once(place: Place) {
    let store = place.open().await;
    let id = PaymentId::from("0x1");
    store
        .reserve(payment("0x1", PAYER, "0x1"), 0)
        .await
        .unwrap();
    assert!(store.mark_settling(&id, 0).await.unwrap());
    assert!(
        store
            .mark_settled(&id, reported("0xfeed"), 1)
            .await
            .unwrap()
    );
    assert!(store.owe_undelivered(&id, "undelivered", 2).await.unwrap());
    let credit_it = async |network: &str| {
        store
            .credit_debt(&id, "undelivered", network, 3)
            .await
            .unwrap()
    };
    assert_eq!(
        credit_it("eip155:8453").await,
        None,
        "it was paid on another network"
    );
    assert_eq!(store.debts_to_credit("eip155:8453").await.unwrap(), []);
    let due = [(id.clone(), "undelivered".to_owned())];
    assert_eq!(store.debts_to_credit("eip155:84532").await.unwrap(), due);
    assert_eq!(credit_it("eip155:84532").await, Some(1_000));
    assert_eq!(credit_it("eip155:84532").await, None);
    assert_eq!(store.debts_of(&id).await.unwrap()[0].state, "credited");
    assert_eq!(credit(&store).await, (1_000, 0));
    let event = NewEvent::new("0x1", "resolved_by_operator", json!({}));
    let paid = store.pay_debt(&id, "undelivered", "sent back", None, event, 4);
    assert!(!paid.await.unwrap(), "it is not paid back as well");
    in_order(&store).await;
}

async fn an_early_end_gives_back_once(place: Place) {
    let store = place.open().await;
    activated(&store, 1, NOW).await;
    let price = json!({"price": {"total": "10000", "lines": [
        {"label": "Base fee", "quantity": "1", "unit": "lease", "amount": "4000"},
        {"label": "Cores", "quantity": "1", "unit": "core-hour", "amount": "6000"}]}});
    let arguments = price.to_string();
    let set = store.write(ChangeLock::None, move |db| {
        let sql = "UPDATE payments SET arguments = ?1 WHERE payment_id = 'pay-1'";
        db.execute(sql, values![arguments])
    });
    set.await.unwrap();
    let (id, rules) = (
        LeaseId::from("lease-1"),
        ReturnRules {
            min_billed: Minutes(5),
        },
    );
    let now = NOW + 10 * 60;
    let end = || store.end_early(&id, LeaseState::Active, rules, now);
    let both = tokio::join!(end(), end());
    let ended = [both.0.unwrap(), both.1.unwrap()];
    let early = EarlyEnd {
        minutes: 50,
        returned: 5_000,
    };
    assert!(
        ended.contains(&Some(early)) && ended.contains(&None),
        "{ended:?}"
    );
    assert_eq!(store.returned_for(&id).await.unwrap(), Some(5_000));
    assert_eq!(credit(&store).await, (5_000, 0));
    in_order(&store).await;
}
