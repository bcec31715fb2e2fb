//! The sheet: the dialog for payments that do not belong to a conversation. It shows a generated
//! password once: it opens again for the password, and asks before it closes if the password was
//! not copied.

use leptos::prelude::*;

use crate::{
    engine::Engine,
    pay::{CardId, PaidOperation, PayCard, PurchaseVia},
};

/// Whether the sheet is open, and its card.
#[derive(Clone, Copy)]
pub struct Sheet {
    engine: Engine,
    pub(super) open: RwSignal<bool>,
    pub(super) card: RwSignal<Option<CardId>>,
    /// The card that was shown when the password of another purchase came.
    aside: RwSignal<Option<CardId>>,
    copied: RwSignal<bool>,
    leaving: RwSignal<bool>,
}

impl Sheet {
    /// Provides the sheet for the whole application. A payment that a reload interrupted is shown
    /// again.
    pub fn provide(engine: Engine) {
        let interrupted = engine.pay.cards().with_untracked(|cards| {
            let direct = cards
                .iter()
                .find(|card| matches!(card.via, PurchaseVia::Direct(_)) && !card.is_over());
            direct.map(|card| card.id)
        });
        let sheet = Self {
            engine,
            open: RwSignal::new(interrupted.is_some()),
            card: RwSignal::new(interrupted),
            aside: RwSignal::new(None),
            copied: RwSignal::new(false),
            leaving: RwSignal::new(false),
        };
        // A lost password cannot be shown again. The browser asks before the page is left.
        let left = window_event_listener_untyped("beforeunload", move |event| {
            let password = sheet.open.get_untracked() && sheet.loses_something();
            if password || engine.pay.is_lost_with_the_page() {
                event.prevent_default();
            }
        });
        on_cleanup(move || left.remove());
        provide_context(sheet);
    }

    /// The application's sheet.
    pub fn get() -> Self {
        expect_context()
    }

    /// Shows a card.
    pub fn show(self, card: CardId) {
        // A card that is shown already is not redrawn.
        if self.card.get_untracked() != Some(card) {
            self.card.set(Some(card));
        }
        self.open.set(true);
    }

    /// A purchase is paid and delivered. The sheet closes if its result is shown elsewhere. A new
    /// container has a password to show, and a renewal a receipt.
    pub fn settled(self, card: CardId) {
        let shows_more = self.engine.pay.cards().with_untracked(|cards| {
            let card = cards.iter().find(|one| one.id == card);
            card.is_some_and(|card| {
                matches!(
                    card.via,
                    PurchaseVia::Direct(PaidOperation::Lease(_) | PaidOperation::Renew { .. })
                )
            })
        });
        if !shows_more && self.card.get_untracked() == Some(card) {
            self.open.set(false);
        }
    }

    /// Whether it is open.
    pub fn is_open(self) -> Signal<bool> {
        self.open.into()
    }

    /// The password on the sheet was copied.
    pub fn copied(self) {
        self.copied.set(true);
        self.leaving.set(false);
    }

    /// Whether it asks before it closes over a password.
    pub fn leaving(self) -> Signal<bool> {
        self.leaving.into()
    }

    /// The customer wants to stay.
    pub fn stay(self) {
        self.leaving.set(false);
    }

    /// The customer closes the sheet without a further question.
    pub fn leave(self) {
        self.open.set(false);
    }

    /// Closes it, unless it has to ask first. Returns whether it closed.
    pub fn close(self) -> bool {
        let closes = self.may_close();
        if closes {
            self.open.set(false);
        }
        closes
    }

    /// A purchase is paid. If it has a password, the sheet shows it, even if it is closed or shows
    /// another card.
    pub fn paid(self, card: &PayCard) {
        if !matches!(card.via, PurchaseVia::Direct(_)) || !card.shows_password() {
            return;
        }
        let shown = self.card.get_untracked().filter(|shown| *shown != card.id);
        if self.open.get_untracked() {
            self.aside.set(shown);
        }
        self.show(card.id);
    }

    fn shown(self) -> Option<PayCard> {
        let id = self.card.get_untracked()?;
        self.engine
            .pay
            .cards()
            .with_untracked(|cards| cards.iter().find(|card| card.id == id).cloned())
    }

    /// Whether it may close. If a password would be lost, it asks.
    pub(super) fn may_close(self) -> bool {
        let may = !self.loses_something();
        self.leaving.set(!may);
        may
    }

    /// Whether it shows a password that was not copied.
    fn loses_something(self) -> bool {
        let holds = self.shown().is_some_and(|card| card.shows_password());
        holds && !self.copied.get_untracked()
    }

    /// After closing: a purchase that is not signed is cancelled, a signed one goes on without the
    /// sheet.
    pub(super) fn closed(self) {
        self.copied.set(false);
        self.leaving.set(false);
        let goes_on = self
            .shown()
            .is_some_and(|card| !card.is_over() && !card.can_cancel());
        if let Some(card) = self.card.get_untracked().filter(|_| !goes_on) {
            self.engine.pay.cancel(card);
            self.card.set(None);
        }
        if let Some(aside) = self.aside.get_untracked() {
            self.aside.set(None);
            self.show(aside);
        }
    }
}
