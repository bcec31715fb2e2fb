//! Which payments a transaction of the chain belongs to.

use super::*;

on_both![
    the_transactions_of_a_network_are_known,
    a_transaction_that_paid_cannot_pay_back,
];

async fn the_transactions_of_a_network_are_known(place: Place) {
    let store = place.open().await;
    for (id, nonce, transaction, at) in [
        ("pay-1", "0x1", "0xOLD", 10),
        ("pay-2", "0x2", "0xFeed", 20),
        ("pay-3", "0x3", "", 20),
    ] {
        store.reserve(payment(id, PAYER, nonce), at).await.unwrap();
        assert!(store.mark_settling(&id.into(), at).await.unwrap());
        if !transaction.is_empty() {
            let transfer = reported(transaction);
            assert!(store.mark_settled(&id.into(), transfer, at).await.unwrap());
        }
    }
    let network = payment("pay-4", PAYER, "0x4").network;
    let asked = |hashes: &[&str]| -> Vec<(Wallet, String)> {
        let of_payer = hashes
            .iter()
            .map(|hash| (wallet(PAYER), (*hash).to_owned()));
        of_payer.collect()
    };
    let all = asked(&["0xFEED", "0xold", "0xbeef"]);
    let known = store.known_transactions(&network, all.clone(), 10).await;
    let expected = ["0xfeed", "0xold"].map(str::to_owned);
    assert_eq!(known.unwrap(), HashSet::from(expected));
    let recent = store.known_transactions(&network, all.clone(), 11).await;
    assert_eq!(recent.unwrap(), HashSet::from(["0xfeed".to_owned()]));
    let elsewhere = store.known_transactions("another", all, 10).await.unwrap();
    assert!(elsewhere.is_empty());
    let of_another = vec![(wallet("0xbb"), "0xfeed".to_owned())];
    let of_another = store.known_transactions(&network, of_another, 10).await;
    assert!(of_another.unwrap().is_empty());
}

async fn a_transaction_that_paid_cannot_pay_back(place: Place) {
    let store = place.open().await;
    let id = PaymentId::from("pay-1");
    store
        .reserve(payment("pay-1", PAYER, "0x1"), 10)
        .await
        .unwrap();
    assert!(store.mark_settling(&id, 10).await.unwrap());
    let transfer = reported("0xFeed");
    assert!(store.mark_settled(&id, transfer, 10).await.unwrap());
    let network = payment("pay-2", PAYER, "0x2").network;
    let paid = async |hash: &str, paid_back: &str| {
        let paid_back = PaymentId::from(paid_back);
        let found = store.paid_by_transaction(&network, hash, &paid_back);
        found.await.unwrap()
    };
    assert_eq!(paid("0xfeed", "pay-1").await, Some(id.clone()));
    assert_eq!(paid("0xFEED", "pay-2").await, Some(id.clone()));
    assert_eq!(paid("0xbeef", "pay-1").await, None);
    // A debt's own transaction is no other's; a second debt cannot name it.
    assert!(store.owe_undelivered(&id, "undelivered", 10).await.unwrap());
    let event = NewEvent::new(&id, "resolved_by_operator", serde_json::json!({}));
    let back = Some("0xbeef");
    let given = store.pay_debt(&id, "undelivered", "sent", back, event, 10);
    assert!(given.await.unwrap());
    assert_eq!(paid("0xBEEF", "pay-1").await, None);
    assert_eq!(paid("0xBEEF", "pay-2").await, Some(id));
}
