//! Buying something from a panel: the price is asked, the sheet opens, and the panel hears when it is paid and done.

use leptos::prelude::*;

use super::{SLIP, Sheet};
use crate::{
    engine::{Engine, use_engine},
    pay::{Call, CardId, Phase, Receipt},
    state::{board::Board, services::Services},
};

/// Something that a panel can buy, again and again.
#[derive(Clone, Copy)]
pub struct Purchase {
    engine: Engine,
    sheet: Sheet,
    card: RwSignal<Option<CardId>>,
    board: Board,
    services: Services,
}

impl Purchase {
    /// A purchase whose outcome is told to the caller, once for each.
    pub fn new(on_settled: impl Fn(Receipt) + 'static) -> Self {
        let engine = use_engine();
        let sheet = Sheet::get();
        let card = RwSignal::new(None::<CardId>);
        Effect::new(move || {
            let Some(id) = card.get() else { return };
            let receipt = engine.pay.cards().with(|cards| {
                let card = cards.iter().find(|card| card.id == id)?;
                match &card.phase {
                    Phase::Settled(receipt) => Some(receipt.clone()),
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

    /// Asks for the price and opens the sheet.
    pub fn start(self, call: Call) {
        let item = match SLIP.here() {
            Some(slip) => (slip.item)(call, self.board, self.services),
            None => call.into(),
        };
        let id = self.engine.pay.start(item);
        self.card.set(Some(id));
        self.sheet.show(id);
    }
}
