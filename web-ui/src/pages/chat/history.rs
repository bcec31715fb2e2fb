//! The conversations that are kept in this browser.

use leptos::{html, prelude::*};
use wasm_split_helpers::wasm_split;

use crate::{
    components::{Glyph, Icon, catch_focus, first_in},
    format::ago,
    part::{NotLoaded, Part},
    state::{chat::Chat, conversation::Conversation, now::Now},
    text::{chat, shell},
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
    let asked = RwSignal::new(false);
    let node = NodeRef::<html::Li>::new();
    let (id, opened, forgotten) = (row.id.clone(), row.id.clone(), row.id);
    let current = move || state.id().with(|open| *open == id).then_some("true");
    let open = Callback::new(move |()| {
        state.open(&opened);
        on_choice.run(());
    });
    let forget = Callback::new(move |()| {
        // The list stays where it is: the focus goes on to what is in it then.
        let list = node
            .get_untracked()
            .and_then(|row| row.closest(".history").ok().flatten());
        state.forget(&forgotten);
        catch_focus(move || {
            let list = list?;
            first_in(&list, ".history-open").or_else(|| first_in(&list, "button"))
        });
    });
    let keep = Callback::new(move |()| {
        asked.set(false);
        catch_focus(move || first_in(&node.try_get_untracked()??.into(), ".history-delete"));
    });
    // The time is read once a minute at most: the text changes no more often.
    let when = Memo::new(move |_| ago(changed, now.get()));
    let title = StoredValue::new(row.title);
    view! {
        <li class="history-row" aria-current=current node_ref=node>
            {move || if asked.get() {
                view! { <Question title=title.get_value() on_yes=forget on_no=keep /> }.into_any()
            } else {
                view! {
                    <button type="button" class="history-open" on:click=move |_| open.run(())>
                        <span class="history-title">{title.get_value()}</span>
                        <span class="history-when" prop:textContent=move || when.get()></span>
                    </button>
                    <button type="button" class="icon-button history-delete" aria-label=format!("{}: {}", chat::DELETE, title.get_value()) title=chat::DELETE
                        on:click=move |_| asked.set(true)>
                        <Icon glyph=Glyph::Bin />
                    </button>
                }
                .into_any()
            }}
        </li>
    }
}

/// The question before a conversation is forgotten, in its place.
#[component]
fn Question(title: String, on_yes: Callback<()>, on_no: Callback<()>) -> impl IntoView {
    let no = NodeRef::<html::Button>::new();
    Effect::new(move || {
        if let Some(no) = no.get() {
            // A button on the page takes the focus.
            let _ = no.focus();
        }
    });
    let key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            // The dialog around the list stays.
            event.prevent_default();
            event.stop_propagation();
            on_no.run(());
        }
    };
    view! {
        <div class="history-question" role="group" aria-label=format!("{} {title}", chat::DELETE_ASK) on:keydown=key>
            <p>{chat::DELETE_ASK}</p>
            <div class="actions">
                <button type="button" class="button small danger" on:click=move |_| on_yes.run(())>{chat::DELETE}</button>
                <button type="button" class="button small" node_ref=no on:click=move |_| on_no.run(())>{shell::CANCEL}</button>
            </div>
        </div>
    }
}
