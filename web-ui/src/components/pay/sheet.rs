//! The sheet: the one place where payments that were not asked for in a conversation are made.

use leptos::prelude::*;

use super::SLIP;
use crate::{
    components::Dialog,
    engine::{Engine, use_engine},
    pay::{Call, CardId, PayCard, Phase, Via},
    text::money,
};

/// The sheet: whether it is open, and with which payment.
#[derive(Clone, Copy)]
pub struct Sheet {
    engine: Engine,
    open: RwSignal<bool>,
    card: RwSignal<Option<CardId>>,
}

impl Sheet {
    /// For the whole application. A payment that a reload interrupted is shown again.
    pub fn provide(engine: Engine) {
        let interrupted = engine.pay.cards().with_untracked(|cards| {
            let direct = cards
                .iter()
                .find(|card| matches!(card.via, Via::Direct(_)) && !card.is_over());
            direct.map(|card| card.id)
        });
        provide_context(Self {
            engine,
            open: RwSignal::new(interrupted.is_some()),
            card: RwSignal::new(interrupted),
        });
    }

    /// The application's sheet.
    pub fn get() -> Self {
        expect_context()
    }

    /// Shows a payment.
    pub fn show(self, card: CardId) {
        self.card.set(Some(card));
        self.open.set(true);
    }

    /// A payment is paid and done. What somebody waits for elsewhere needs no further look; a new container has a password.
    pub fn settled(self, card: CardId) {
        let shows_more = self.engine.pay.cards().with_untracked(|cards| {
            let card = cards.iter().find(|one| one.id == card);
            card.is_some_and(|card| matches!(card.via, Via::Direct(Call::Lease(_))))
        });
        if !shows_more && self.card.get_untracked() == Some(card) {
            self.open.set(false);
        }
    }

    fn shown(self) -> Option<PayCard> {
        let id = self.card.get_untracked()?;
        self.engine
            .pay
            .cards()
            .with_untracked(|cards| cards.iter().find(|card| card.id == id).cloned())
    }

    /// What was not signed is given up; what is signed goes on without the sheet.
    fn closed(self) {
        if let Some(card) = self.shown() {
            if card.can_cancel() {
                self.engine.pay.cancel(card.id);
            }
            if card.is_over() || card.can_cancel() {
                self.card.set(None);
            }
        }
    }
}

/// The sheet's dialog.
#[component]
pub fn SheetView() -> impl IntoView {
    let sheet = Sheet::get();
    let engine = use_engine();
    let over = move |id: CardId| {
        let card = engine.pay.card(id);
        move || {
            card.with(|card| {
                card.as_ref()
                    .is_some_and(|card| card.is_over() && !matches!(card.phase, Phase::Cancelled))
            })
        }
    };
    let close = Callback::new(move |()| sheet.open.set(false));
    let content = move || {
        sheet.card.get().map(|id| {
            let over = over(id);
            view! {
                {SLIP.show(move |slip| slip(id, close))}
                {move || over().then(|| view! {
                    <button type="button" class="button primary wide" on:click=move |_| sheet.open.set(false)>{money::DONE}</button>
                })}
            }
        })
    };
    view! {
        <Dialog open=sheet.open title=money::PAYMENT class="sheet" on_close=move |()| sheet.closed()>
            {content}
        </Dialog>
        <Running sheet=sheet />
    }
}

/// The way back to a payment that goes on without the sheet.
#[component]
fn Running(sheet: Sheet) -> impl IntoView {
    let engine = use_engine();
    let running = Memo::new(move |_| {
        let id = sheet.card.get()?;
        let under_way = engine
            .pay
            .cards()
            .with(|cards| cards.iter().any(|card| card.id == id && card.under_way()));
        (under_way && !sheet.open.get()).then_some(id)
    });
    move || {
        running.get().map(|id| {
            view! {
                <button type="button" class="running" on:click=move |_| sheet.show(id)>
                    <span class="spinner" aria-hidden="true"></span>{money::UNDER_WAY}
                </button>
            }
        })
    }
}
