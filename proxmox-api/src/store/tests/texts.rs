//! Texts that PostgreSQL cannot keep: both databases give the same answer to them, and none is a
//! failure of the service.

use super::*;

on_both![
    a_text_with_a_nul_character_finds_nothing,
    a_reason_with_a_nul_character_is_stored,
];

const NUL: &str = "pay-1\0";

async fn a_text_with_a_nul_character_finds_nothing(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    let (lease, owner) = (LeaseId::from("lease-1\0"), wallet(PAYER));
    assert!(store.lease(&lease).await.unwrap().is_none());
    assert!(store.payment(&NUL.into()).await.unwrap().is_none());
    let before = Some(NUL.into());
    let page = store.payments_by_payer(&owner, before.as_ref(), 9).await;
    assert!(page.unwrap().is_empty());
    let page = store.ended_leases_of(&owner, Some(&lease), 9).await;
    assert!(page.unwrap().is_empty());
    assert!(store.session_wallet("\0", 0).await.unwrap().is_none());
    assert!(!store.consume_challenge("\0", 0).await.unwrap());
}

async fn a_reason_with_a_nul_character_is_stored(place: Place) {
    let store = place.open().await;
    let id: PaymentId = "pay-1".into();
    store.reserve(payment(&id, PAYER, "0x1"), 0).await.unwrap();
    // What a facilitator says.
    assert!(store.mark_released(&id, "no\0", 1).await.unwrap());
    let reason = store.payment(&id).await.unwrap().unwrap().reason;
    assert_eq!(reason.as_deref(), Some("no\u{fffd}"));
}
