//! A console that was bought in the conversation: it opens by itself, and can be opened from its card while its ticket is good.

use api_types::ConsoleResponse;
use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, terminal::TerminalDoor},
    state::{board::Board, now::Now},
    text::leases::terminal,
};

/// The way to the terminal.
#[component]
pub fn ConsoleResult(
    /// What was bought; a page that is loaded again no longer has it.
    console: Option<ConsoleResponse>,
    /// Whether it has just been bought.
    fresh: bool,
) -> impl IntoView {
    let door = TerminalDoor::get();
    let now = Now::get();
    let leases = Board::get().leases();
    let open = move |console: &ConsoleResponse| {
        let name = leases.with_untracked(|leases| {
            let mut leases = leases.iter().flatten();
            leases
                .find(|lease| lease.ctid == console.ctid)
                .map(|lease| lease.hostname.clone())
        });
        door.open(
            console.clone(),
            name.unwrap_or_else(|| terminal::of(console.ctid)),
        );
    };
    if let Some(console) = console.as_ref().filter(|_| fresh) {
        open(console);
    }
    let console = StoredValue::new(console);
    let good = Memo::new(move |_| {
        console.with_value(|console| {
            let console = console.as_ref();
            console
                .is_some_and(|one| now.get() < one.expires_at.unix() && !door.is_spent(&one.ticket))
        })
    });
    move || {
        if good.get() {
            let press = move |_| console.with_value(|console| console.iter().for_each(open));
            view! { <button type="button" class="button small" on:click=press><Icon glyph=Glyph::Prompt />{terminal::OPEN_IT}</button> }.into_any()
        } else {
            view! { <p class="fine" role="status">{terminal::SPENT}</p> }.into_any()
        }
    }
}
