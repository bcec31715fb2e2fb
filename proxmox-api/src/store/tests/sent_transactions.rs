//! Transactions sent with the gas key.

use alloy::primitives::{Address, B256, Bytes};
use x402::facilitator::onchain::{PaymentKey, Sent, SentStore as _};

use super::*;

on_both![what_was_sent_is_found_after_the_database_was_opened_again];

async fn what_was_sent_is_found_after_the_database_was_opened_again(place: Place) {
    let payment = PaymentKey {
        network: "eip155:84532",
        asset: Address::repeat_byte(1),
        from: Address::repeat_byte(2),
        nonce: B256::repeat_byte(3),
    };
    let sent = |byte| Sent {
        hash: B256::repeat_byte(byte),
        raw: Bytes::from_static(b"\x02raw"),
        sender_nonce: 7,
        gas: 90_000,
        max_fee_per_gas: u128::MAX,
        max_priority_fee_per_gas: 1,
        after_block: 12,
    };
    let store = place.open().await;
    for byte in [4, 5, 4] {
        store.record(&payment, &sent(byte)).await.unwrap();
    }
    drop(store);
    let store = place.open().await;
    assert_eq!(store.sent(&payment).await.unwrap(), [sent(4), sent(5)]);
    let other = PaymentKey {
        nonce: B256::ZERO,
        ..payment
    };
    assert_eq!(store.sent(&other).await.unwrap(), []);
}
