//! A purchase from a panel: the price is requested, the sheet opens, and the panel is called back
//! once it is paid and delivered.

use leptos::prelude::*;

use super::{Sheet, card::PAY_CARD};
use crate::{
    engine::{Engine, use_engine},
    pay::{CardId, PaidOperation, PaymentPhase, PurchaseReceipt},
    state::{lease::board::Board, services::Services},
};

/// Something that a panel can buy any number of times.
#[derive(Clone, Copy)]
pub struct Purchase {
    engine: Engine,
    sheet: Sheet,
    card: RwSignal<Option<CardId>>,
    board: Board,
    services: Services,
}

impl Purchase {
    /// A purchase. The callback is called once for each receipt.
    pub fn new(on_settled: impl Fn(PurchaseReceipt) + 'static) -> Self {
        let engine = use_engine();
        let sheet = Sheet::get();
        let card = RwSignal::new(None::<CardId>);
        Effect::new(move || {
            let Some(id) = card.get() else { return };
            let receipt = engine.pay.cards().with(|cards| {
                let card = cards.iter().find(|card| card.id == id)?;
                match &card.phase {
                    PaymentPhase::Settled(receipt) => Some(receipt.clone()),
                    _ => None,
                }
            });
            if let Some(receipt) = receipt {
                card.set(None);
                sheet.settled(id);
                on_settled(receipt);
            }
        });
        Self {
            engine,
            sheet,
            card,
            board: Board::get(),
            services: Services::get(),
        }
    }

    /// Requests the price and opens the sheet.
    pub fn start(self, operation: PaidOperation) {
        let item = match PAY_CARD.get() {
            Some(entries) => (entries.describe)(operation, self.board, self.services),
            None => operation.into(),
        };
        let id = self.engine.pay.start(item);
        self.card.set(Some(id));
        self.sheet.show(id);
    }
}
