//! What several parts of a pay card need to know of it.

use leptos::prelude::*;

use crate::pay::{PayCard, PurchaseVia};

/// Whether the customer can still pay or cancel.
pub(super) fn is_open(card: Signal<Option<PayCard>>) -> Memo<bool> {
    Memo::new(move |_| {
        card.with(|card| {
            let offered = card.as_ref().filter(|card| card.offer.is_some());
            offered.is_some_and(|card| card.can_pay() || card.can_cancel())
        })
    })
}

/// Whether the purchase belongs to a conversation.
pub(super) fn is_agent(card: Signal<Option<PayCard>>) -> bool {
    card.with_untracked(|card| {
        card.as_ref()
            .is_some_and(|card| matches!(card.via, PurchaseVia::Agent { .. }))
    })
}
