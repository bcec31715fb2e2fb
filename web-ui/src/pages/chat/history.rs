//! The conversations that are kept in this browser.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use crate::{
    components::{Glyph, Icon},
    format::ago,
    part::{NotLoaded, Part},
    state::{chat::Chat, conversation::Conversation, now::Now},
    text::chat,
};

/// A row of the list.
#[derive(Clone, PartialEq)]
struct Row {
    id: String,
    title: String,
    changed: u64,
}

/// The list, with the way to a new conversation.
#[component]
pub fn HistoryPanel(
    /// A conversation was chosen.
    #[prop(into)]
    on_choice: Callback<()>,
) -> impl IntoView {
    let state = Chat::get();
    let kept = state.kept();
    let some = Memo::new(move |_| kept.with(|kept| !kept.conversations.is_empty()));
    let begin = move |_| {
        state.begin();
        on_choice.run(());
    };
    let list = move || {
        if some.get() {
            LIST.show_once_here(move |list| list(on_choice))
        } else {
            view! { <p class="muted">{chat::NO_CONVERSATIONS}</p> }.into_any()
        }
    };
    view! {
        <div class="history">
            <button type="button" class="button wide" on:click=begin><Icon glyph=Glyph::Plus />{chat::NEW}</button>
            {list}
        </div>
    }
}

/// The list, which a first visit has nothing for.
static LIST: Part<fn(Callback<()>) -> AnyView> = Part::new(|| Box::pin(list()));

#[wasm_split(talk, fallible)]
fn list() -> Result<fn(Callback<()>) -> AnyView, NotLoaded> {
    Ok(|on_choice| view! { <HistoryList on_choice=on_choice /> }.into_any())
}

#[component]
fn HistoryList(on_choice: Callback<()>) -> impl IntoView {
    let kept = Chat::get().kept();
    let rows = Memo::new(move |_| {
        kept.with(|kept| {
            let row = |one: &Conversation| Row {
                id: one.id.clone(),
                title: one.title().unwrap_or_else(|| chat::UNTITLED.to_owned()),
                changed: one.changed,
            };
            kept.conversations.iter().map(row).collect::<Vec<_>>()
        })
    });
    view! {
        <ul class="history-list">
            <For each=move || rows.get() key=|row| (row.id.clone(), row.changed) let(row)><HistoryRow row=row on_choice=on_choice /></For>
        </ul>
    }
}

#[component]
fn HistoryRow(row: Row, on_choice: Callback<()>) -> impl IntoView {
    let state = Chat::get();
    let now = Now::get();
    let changed = row.changed;
    let (id, opened, forgotten) = (row.id.clone(), row.id.clone(), row.id);
    let current = move || state.id().with(|open| *open == id).then_some("true");
    let open = move |_| {
        state.open(&opened);
        on_choice.run(());
    };
    // The time is read once a minute at most: the text changes no more often.
    let when = Memo::new(move |_| ago(changed, now.get()));
    view! {
        <li class="history-row" aria-current=current>
            <button type="button" class="history-open" on:click=open>
                <span class="history-title">{row.title.clone()}</span>
                <span class="history-when">{when}</span>
            </button>
            <button type="button" class="icon-button history-delete" aria-label=format!("{}: {}", chat::DELETE, row.title) title=chat::DELETE
                on:click=move |_| state.forget(&forgotten)>
                <Icon glyph=Glyph::Bin />
            </button>
        </li>
    }
}
