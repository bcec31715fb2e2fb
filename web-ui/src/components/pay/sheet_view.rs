//! The dialog of the sheet, and the button that opens it again.

use leptos::prelude::*;

use super::{Sheet, card::PAY_CARD};
use crate::{
    components::Dialog,
    engine::use_engine,
    pay::{PayCard, PaymentPhase, PurchaseVia},
    text::money,
};

/// The sheet's dialog.
#[component]
pub fn SheetView() -> impl IntoView {
    let sheet = Sheet::get();
    let engine = use_engine();
    // A payment of an earlier page may turn out to be resumed by another tab.
    Effect::new(move |was_there: Option<bool>| {
        let id = sheet.card.get();
        let cards = engine.pay.cards();
        let is_there = cards.with(|cards| cards.iter().any(|card| Some(card.id) == id));
        if was_there == Some(true) && !is_there && id.is_some() {
            sheet.leave();
        }
        is_there
    });
    let close = Callback::new(move |()| sheet.leave());
    let again = Callback::new(move |()| {
        if let Some(id) = sheet.card.get_untracked() {
            engine.pay.renew_offer(id);
        }
    });
    let content = move || {
        sheet
            .card
            .get()
            .map(|id| PAY_CARD.show(move |entries| (entries.view)(id, close, again)))
    };
    view! {
        <Dialog open=sheet.open title=money::PAYMENT class="sheet" on_close=move |()| sheet.closed() guard=move |()| sheet.may_close()>
            {content}
        </Dialog>
        <Running sheet=sheet />
    }
}

/// The button that opens the sheet for a payment that goes on without it, or needs attention.
#[component]
fn Running(sheet: Sheet) -> impl IntoView {
    let engine = use_engine();
    let running = Memo::new(move |_| {
        let shown = sheet.card.get();
        let open = sheet.open.get();
        engine.pay.cards().with(|cards| {
            let hidden = |card: &&PayCard| !(open && Some(card.id) == shown);
            let of_the_sheet = |card: &&PayCard| {
                let done = matches!(
                    card.phase,
                    PaymentPhase::Settled(_) | PaymentPhase::Cancelled
                );
                Some(card.id) == shown && !done
            };
            // Another purchase may have replaced it on the sheet.
            let replaced = |card: &&PayCard| {
                matches!(card.via, PurchaseVia::Direct(_))
                    && (card.under_way() || card.needs_attention())
            };
            let own = cards.iter().filter(hidden).find(of_the_sheet);
            let card = own.or_else(|| cards.iter().filter(hidden).find(replaced))?;
            Some((card.id, card.under_way())).filter(|_| !open)
        })
    });
    move || {
        running.get().map(|(id, under_way)| {
            let says = if under_way {
                view! { <span class="spinner" aria-hidden="true"></span>{money::UNDER_WAY} }.into_any()
            } else {
                money::NEEDS_A_LOOK.into_any()
            };
            view! { <button type="button" class="running" on:click=move |_| sheet.show(id)>{says}</button> }
        })
    }
}
