//! A purchase begins: its card is shown, and how it will be performed is remembered.

use api_types::SuspendedCall;
use leptos::prelude::*;

use super::{CardId, Item, Pay, PayCard, Request, Source, Suspended, Via, Work, offer, record};

impl Pay {
    pub(super) fn begin_direct(self, id: CardId, item: Item) {
        let call = &item.call;
        let card = PayCard {
            summary: call.summary(item.name.as_deref()),
            needs_credential: call.needs_credential(),
            ..PayCard::new(id, Via::Direct(record::without_secrets(call)))
        };
        let request = call.request();
        self.work_on(id, Source::Direct(item), request);
        self.add(card);
        self.ask(id);
    }

    pub(super) fn begin_agent(self, id: CardId, call: Suspended) {
        let Suspended {
            conversation,
            request,
            pending,
            history,
            before,
            made_for,
            fresh,
        } = call;
        let tool = request.call.tool.clone();
        let via = Via::Agent {
            conversation: conversation.clone(),
            tool: tool.clone(),
        };
        let before = before.and_then(|before| self.with(before, |card| card.price.clone()));
        let card = PayCard {
            summary: request.call.summary.clone(),
            needs_credential: request.needs_credential,
            price: before.flatten(),
            made_for,
            ..PayCard::new(id, via)
        };
        let source = Source::Agent {
            conversation,
            tool,
            pending,
            history,
        };
        self.work_on(id, source, request_of(&request.call));
        self.add(card);
        offer::take(self, id, request, fresh);
    }

    fn add(&self, card: PayCard) {
        self.cards.update(|all| all.push(card));
    }

    fn work_on(&self, id: CardId, source: Source, request: Request) {
        let work = Work {
            source,
            request,
            chosen: None,
        };
        self.work.update_value(|all| drop(all.insert(id, work)));
    }
}

/// The agent's suspended call, as the customer sees it.
fn request_of(call: &SuspendedCall) -> Request {
    let body = call.body.as_ref();
    Request {
        line: format!("{} {}", call.method, call.path),
        body: body.map_or_else(String::new, |body| {
            serde_json::to_string(body).expect("a value is JSON")
        }),
    }
}
