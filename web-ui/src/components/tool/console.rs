//! A terminal that was bought in the conversation: it opens at once, and can be opened from its
//! card while its ticket is valid.

use api_types::ConsoleResponse;
use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, terminal::TerminalOverlay},
    state::{lease::board::Board, now::Now},
    text::leases::terminal,
};

/// The button that opens the terminal.
#[component]
pub fn ConsoleResult(
    /// The ticket, which is not stored and therefore lost at a reload.
    console: Option<ConsoleResponse>,
    /// Whether it was just bought.
    fresh: bool,
) -> impl IntoView {
    let overlay = TerminalOverlay::get();
    let now = Now::get();
    let leases = Board::get().leases();
    let open = move |console: &ConsoleResponse| {
        let name = leases.with_untracked(|leases| {
            let mut leases = leases.iter().flatten();
            leases
                .find(|lease| lease.ctid == console.ctid)
                .map(|lease| lease.hostname.clone())
        });
        overlay.open(
            console.clone(),
            name.unwrap_or_else(|| terminal::name(console.ctid)),
        );
    };
    if let Some(console) = console.as_ref().filter(|_| fresh) {
        open(console);
    }
    let console = StoredValue::new(console);
    let is_valid = Memo::new(move |_| {
        console.with_value(|console| {
            let console = console.as_ref();
            console.is_some_and(|one| {
                now.get() < one.expires_at.unix() && !overlay.is_used(&one.ticket)
            })
        })
    });
    move || {
        if is_valid.get() {
            let press = move |_| console.with_value(|console| console.iter().for_each(open));
            view! { <button type="button" class="button small" on:click=press><Icon glyph=Glyph::Prompt />{terminal::OPEN_IT}</button> }.into_any()
        } else {
            view! { <p class="fine" role="status">{terminal::TICKET_USED}</p> }.into_any()
        }
    }
}
