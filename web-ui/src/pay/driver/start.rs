//! Starts a purchase: shows its card, and keeps what is needed to perform it.

use api_types::SuspendedCall;
use leptos::prelude::*;

use super::{
    CardId, Pay, PayCard, PendingPurchase, PurchaseItem, PurchaseSource, PurchaseVia, RequestText,
    SuspendedPurchase, offer,
};

impl Pay {
    pub(crate) fn start_direct(self, id: CardId, item: PurchaseItem) {
        let operation = &item.operation;
        let card = PayCard {
            summary: operation.summary(item.name.as_deref()),
            needs_credential: operation.needs_credential(),
            ..PayCard::new(id, PurchaseVia::Direct(operation.without_secrets()))
        };
        let request = operation.request_text();
        self.set_pending(id, PurchaseSource::Direct(item), request);
        self.add(card);
        self.request_offer(id);
    }

    pub(crate) fn start_agent_call(self, id: CardId, call: SuspendedPurchase) {
        let SuspendedPurchase {
            conversation,
            request,
            pending,
            history,
            replaces,
            made_for,
            fresh,
        } = call;
        let tool = request.call.tool.clone();
        let via = PurchaseVia::Agent {
            conversation: conversation.clone(),
            tool: tool.clone(),
        };
        let price = replaces.and_then(|replaced| self.with(replaced, |card| card.price.clone()));
        let card = PayCard {
            summary: request.call.summary.clone(),
            needs_credential: request.needs_credential,
            price: price.flatten(),
            made_for,
            ..PayCard::new(id, via)
        };
        let source = PurchaseSource::Agent {
            conversation,
            tool,
            pending,
            history,
        };
        self.set_pending(id, source, request_text(&request.call));
        self.add(card);
        offer::read(self, id, request, fresh);
    }

    fn add(&self, card: PayCard) {
        self.cards.update(|all| all.push(card));
    }

    fn set_pending(&self, id: CardId, source: PurchaseSource, request: RequestText) {
        let pending = PendingPurchase {
            source,
            request,
            chosen: None,
        };
        self.pending
            .update_value(|all| drop(all.insert(id, pending)));
    }
}

/// The request of the agent's suspended call, as the customer sees it.
fn request_text(call: &SuspendedCall) -> RequestText {
    let body = call.body.as_ref();
    RequestText {
        line: format!("{} {}", call.method, call.path),
        body: body.map_or_else(String::new, |body| {
            serde_json::to_string(body).expect("a value is JSON")
        }),
    }
}
