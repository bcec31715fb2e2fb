//! Payments, the chain, play money, and what is owed.

use super::*;

pub(super) async fn pay(store: &Store) {
    let id = PaymentId::from("pay-9");
    let new = || NewPayment {
        idempotency_key: Some("a-key-of-nine".into()),
        ..payment("pay-9", PAYER, "0x9")
    };
    store.reserve(new(), NOW).await.unwrap();
    let known = Reservation::Known {
        payment_id: id.clone(),
    };
    assert_eq!(store.reserve(new(), NOW).await.unwrap(), known);
    let again = NewPayment {
        nonce: "0x99".into(),
        ..new()
    };
    assert_eq!(store.reserve(again, NOW).await.unwrap(), known);
    assert!(store.mark_verified(&id, NOW).await.unwrap());
    assert!(store.mark_settling(&id, NOW).await.unwrap());
    assert!(store.mark_unknown(&id, Some("0x88"), NOW).await.unwrap());
    assert!(store.mark_settled(&id, seen("0x88", 1), NOW).await.unwrap());
    assert!(store.begin_performance(&id, NOW).await.unwrap());
    assert!(store.take_performance_back(&id).await.unwrap());
    let replaced = store.replace_evidence(&id, seen("0x89", 2), NOW);
    assert!(replaced.await.unwrap());
    let ticket = ConsoleTicket {
        lease_id: "lease-1".into(),
        wallet: wallet(PAYER),
        key_id: None,
    };
    let changes = vec![
        Change::Begin,
        Change::event(&id, "console_ticket", serde_json::json!({})),
        Change::KeepTicket {
            hash: "ticket".into(),
            ticket: ticket.clone(),
            expires_at: NOW + 60,
        },
    ];
    let wanted = crate::payment_machine::Transition::in_test(
        &id,
        PaymentState::Settled,
        crate::payment_machine::NewState::Answered(answer()),
    );
    let moved = store.move_payment(wanted.unwrap(), changes, NOW);
    assert!(moved.await.unwrap());
    let kept = store.keep_console_ticket("other", ticket, NOW + 60, NOW);
    kept.await.unwrap();
    let used = store.use_console_ticket("ticket", NOW).await.unwrap();
    assert!(used.is_some());
    assert!(store.console_ticket_key("ticket").await.unwrap().is_none());
    let restored = store.restore_console_ticket("ticket", NOW + 60);
    restored.await.unwrap();
    store.end_console_ticket("ticket", NOW).await.unwrap();
    assert!(store.payment(&id).await.unwrap().is_some());
    assert!(store.payer_of(&id).await.unwrap().is_some());
    let payer = wallet(PAYER);
    let found = store.payment_by_nonce("eip155:84532", "0xa55e", &payer, "0x9");
    assert!(found.await.unwrap().is_some());
    chain_and_play_money(store).await;
}

async fn chain_and_play_money(store: &Store) {
    let key = PaymentKey {
        network: "eip155:84532",
        asset: Address::repeat_byte(1),
        from: Address::repeat_byte(2),
        nonce: B256::repeat_byte(3),
    };
    let sent = Sent {
        hash: B256::repeat_byte(4),
        raw: Bytes::from_static(b"\x02raw"),
        sender_nonce: 7,
        gas: 90_000,
        max_fee_per_gas: 1,
        max_priority_fee_per_gas: 1,
        after_block: 12,
    };
    store.record(&key, &sent).await.unwrap();
    assert_eq!(store.sent(&key).await.unwrap().len(), 1);
    let (asset, payer) = (Address::repeat_byte(0xa5), wallet(PAYER));
    store.demo_faucet("n", asset, &payer, 70).await.unwrap();
    assert_eq!(store.demo_balance("n", asset, &payer).await.unwrap(), 70);
    let transfer = Transfer {
        network: "n".into(),
        asset,
        sender: payer,
        recipient: wallet("0xbb"),
        nonce: "0x1".into(),
        amount: 1,
        transaction: "play".into(),
    };
    store.demo_transfer(transfer, NOW).await.unwrap();
}

pub(super) async fn keep_books(store: &Store) {
    let id = PaymentId::from("pay-8");
    let new = payment("pay-8", PAYER, "0x8");
    store.reserve(new, NOW).await.unwrap();
    assert!(store.mark_settling(&id, NOW).await.unwrap());
    assert!(store.mark_settled(&id, seen("0x90", 1), NOW).await.unwrap());
    let owed = store.owe_undelivered(&id, "undelivered", NOW);
    assert!(owed.await.unwrap());
    assert_eq!(store.debts_of(&id).await.unwrap().len(), 1);
    assert!(!store.debts_due().await.unwrap().is_empty());
    assert!(store.open_accounts().await.unwrap().due >= 1000);
    let asked = store.paid_by_transaction("eip155:84532", "0xabc5", &id);
    assert!(asked.await.unwrap().is_some());
    let asked = ["0x90", "0xnone"].map(|hash| (wallet(PAYER), hash.to_owned()));
    let known = store.known_transactions("eip155:84532", asked.to_vec(), NOW - 60);
    assert_eq!(known.await.unwrap().len(), 1);
    let event = NewEvent::new(&id, "resolved_by_operator", serde_json::json!({}));
    let paid = store.pay_debt(&id, "undelivered", "sent", None, event, NOW);
    assert!(paid.await.unwrap());
    let data = serde_json::json!({});
    store
        .append_event(NOW, "lease-1", "renewed", &data)
        .await
        .unwrap();
    store
        .installation_value_or("key", "value".into())
        .await
        .unwrap();
    store.installation_value("key").await.unwrap();
    store
        .set_installation_value("key", "value".into())
        .await
        .unwrap();
    store.prove_writable(NOW).await.unwrap();
    let announced = store.announce_replica("one", "http://h", NOW);
    announced.await.unwrap();
    store.replica_address("one", NOW).await.unwrap();
    store.withdraw_replica("one").await.unwrap();
}
