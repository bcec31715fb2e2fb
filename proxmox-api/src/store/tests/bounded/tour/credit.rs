//! Credit, what is held and given back of it, and the keys that spend it.

use super::*;
use crate::store::tests::credit::{answered_from_credit, from_credit, key, topped_up};

pub(super) async fn spend(store: &Store) {
    let payer = wallet(PAYER);
    topped_up(store, "pay-top", 10_000, NOW).await;
    let since = store.topped_up_since(&payer, NOW - 60).await.unwrap();
    assert_eq!(since, 10_000);
    store.waiting_of(&payer).await.unwrap();
    assert!(store.create_key(key("11111111"), 9, NOW).await.unwrap());
    let id = KeyId::from("11111111");
    assert!(
        store
            .key_by_hash("hash of 11111111")
            .await
            .unwrap()
            .is_some()
    );
    assert!(store.key_by_id(&id).await.unwrap().is_some());
    assert!(store.key_of(&payer, &id).await.unwrap().is_some());
    assert_eq!(store.keys_of(&payer).await.unwrap()[0].key_id, id);
    let reserve =
        |id: &str| store.reserve_from_credit(from_credit(id, 100), Some("11111111".into()), NOW);
    for id in ["pay-c1", "pay-c2"] {
        let reserved = reserve(id).await.unwrap();
        assert!(matches!(reserved, CreditReservation::Reserved { .. }));
    }
    assert!(answered_from_credit(store, "pay-c1", 100, NOW).await);
    assert!(credit_released(store, "pay-c2").await);
    let dear = store.reserve_from_credit(from_credit("pay-c3", 1_000_000), None, NOW);
    let insufficient = CreditReservation::Refused(HoldRefusal::Insufficient { available: 9_900 });
    assert_eq!(dear.await.unwrap(), insufficient);
    assert_eq!(store.spent_since(&payer, NOW - 60).await.unwrap(), 100);
    let page = store.credit_entries(&payer, None, 5).await.unwrap();
    let next = store
        .credit_entries(&payer, Some(page[4].entry_id), 5)
        .await;
    assert_eq!(next.unwrap().len(), 5);
    let edit = KeyEdit {
        limit_day: Some(Some(5)),
        ..KeyEdit::default()
    };
    assert!(store.change_key(&payer, &id, edit).await.unwrap());
    store.mark_key_used(&id, NOW + 60).await.unwrap();
    assert!(store.revoke_key(&payer, &id, NOW).await.unwrap());
    let network = "eip155:84532";
    let due = store.debts_to_credit(network).await.unwrap();
    for (payment, reason) in &due {
        let credited = store.credit_debt(payment, reason, network, NOW).await;
        assert!(credited.unwrap().is_some());
    }
    let rules = ReturnRules {
        min_billed: Minutes(5),
    };
    let lease = LeaseId::from("lease-2");
    let ended = store.end_early(&lease, LeaseState::Active, rules, NOW);
    ended.await.unwrap();
    store.returned_for(&lease).await.unwrap();
    assert!(store.credit_totals().await.unwrap().liability > 0);
    // The history's charges were never paid in, so that there are faults.
    assert!(!store.credit_faults().await.unwrap().is_empty());
}

async fn credit_released(store: &Store, id: &str) -> bool {
    crate::store::tests::credit::released_from_credit(store, id, 100, NOW).await
}
