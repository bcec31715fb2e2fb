//! The board of leases, with the quick form beside it.

mod access;
mod card;
mod commands;
mod destroy;
mod exec;
pub(crate) mod expiry_warnings;
mod files;
mod form;
pub(crate) mod lease_holder;
mod meter;
pub(crate) mod mobile_lease_sheet;
mod order;
mod pending_action;
mod power;
mod renew;
mod slider;
mod traffic;
mod usage;

use api_types::{LeaseStatus, LeaseView};
use leptos::{html, prelude::*};

use self::{
    card::LeaseCard,
    order::{CardOrder, content},
};
pub use self::{
    form::LeaseFormPanel,
    lease_holder::{LeaseWarnings, MobileLeases},
};
use crate::{
    components::{Empty, Glyph, Icon, RequestFailure, restore_focus, wallet::SignInGate},
    state::lease::board::Board,
    text::{leases, shell},
};

/// The board.
#[component]
pub fn LeasesPage() -> impl IntoView {
    let form = NodeRef::<html::Aside>::new();
    pending_action::carry_out_at_form(form);
    view! {
        <div class="page board-page">
            <header class="page-head">
                <div><h1>{shell::LEASES}</h1><p class="muted">{leases::HELP}</p></div>
                <div class="actions">
                    <button type="button" class="button small primary to-form" on:click=move |_| pending_action::show_form(form)><Icon glyph=Glyph::Plus />{leases::form::TITLE}</button>
                    <RefreshButton />
                </div>
            </header>
            <div class="board-columns">
                <div class="board-main"><SignInGate><Leases /></SignInGate></div>
                <aside class="board-aside" aria-label=leases::form::TITLE node_ref=form><LeaseFormPanel /></aside>
            </div>
        </div>
    }
}

#[component]
fn RefreshButton() -> impl IntoView {
    let board = Board::get();
    let loading = board.loading();
    view! {
        <button type="button" class="button small" disabled=move || loading.get() on:click=move |_| board.refresh()>
            <Icon glyph=Glyph::Refresh />{leases::REFRESH}
        </button>
    }
}

fn is_past(lease: &LeaseView) -> bool {
    lease.status == LeaseStatus::Destroyed
}

/// Cards side by side, if there is room. A card stays when its lease is updated, with all that is
/// typed in it.
#[component]
fn LeaseGrid(leases: Memo<Vec<LeaseView>>) -> impl IntoView {
    let order = CardOrder::new(leases);
    let one = move |id: String| {
        let lease = Memo::new(move |_| {
            leases.with(|leases| leases.iter().find(|lease| lease.lease_id == id).cloned())
        });
        view! { <LeaseCard lease=lease /> }
    };
    view! {
        <div class="lease-grid" node_ref=order.grid on:focusout=move |_| order.on_focus_out()>
            <For each=move || order.ids.get() key=|id| id.clone() children=one />
        </div>
    }
}

/// The destroyed leases (`past`), or all others.
fn select_leases(past: bool) -> Memo<Vec<LeaseView>> {
    let all = Board::get().leases();
    Memo::new(move |_| {
        let mut leases = all.get().unwrap_or_default();
        leases.retain(|lease| is_past(lease) == past);
        leases
    })
}

#[component]
fn Leases() -> impl IntoView {
    let board = Board::get();
    board.watch();
    let (all, error) = (board.leases(), board.leases_error());
    let (present, past) = (select_leases(false), select_leases(true));
    // If the last card had the focus, it is lost with the card.
    Effect::new(move || {
        if present.with(Vec::is_empty) && all.with(Option::is_some) {
            restore_focus(content);
        }
    });
    let body = move || {
        let known = all.with(Option::is_some);
        if !known {
            return match error.get() {
                Some(_) => ().into_any(),
                None => view! { <p class="muted" role="status">{shell::LOADING}</p> }.into_any(),
            };
        }
        if present.with(Vec::is_empty) && past.with(Vec::is_empty) {
            return view! { <Empty glyph=Glyph::Server title=leases::EMPTY help=leases::EMPTY_HELP /> }.into_any();
        }
        view! {
            <LeaseGrid leases=present />
            {(!past.with(Vec::is_empty)).then(|| view! {
                <details class="more past"><summary>{leases::PAST}<Icon glyph=Glyph::Chevron /></summary><LeaseGrid leases=past /></details>
            })}
        }
        .into_any()
    };
    let shape = Memo::new(move |_| {
        (
            all.with(Option::is_some),
            error.with(Option::is_some),
            present.with(Vec::is_empty),
            past.with(Vec::is_empty),
        )
    });
    view! {
        {move || error.get().map(|error| view! { <RequestFailure error=error on_retry=move |()| board.refresh() /> })}
        {move || { let _ = shape.get(); untrack(body) }}
    }
}
