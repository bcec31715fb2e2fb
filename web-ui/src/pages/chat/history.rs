//! The list of the stored conversations.

use leptos::{html, prelude::*};

use crate::{
    components::{Glyph, Icon, find_first, restore_focus},
    format::ago,
    lazy::{LazyChunk, LazyTable},
    state::{chat::Chat, conversation::Conversation, now::Now},
    text::{chat, shell},
};

/// A row of the list.
#[derive(Clone, PartialEq)]
struct ConversationRow {
    id: String,
    title: String,
    changed: u64,
}

/// The list, with the button for a new conversation.
#[component]
pub fn HistoryPanel(
    /// Called once a conversation is chosen.
    #[prop(into)]
    on_choice: Callback<()>,
) -> impl IntoView {
    let state = Chat::get();
    let history = state.stored();
    let some = Memo::new(move |_| history.with(|history| !history.conversations.is_empty()));
    let begin = move |_| {
        state.start_new();
        on_choice.run(());
    };
    let list = move || {
        if some.get() {
            HISTORY_LIST.show_once_loaded(move |list| list(on_choice))
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

pub(crate) static HISTORY_LIST: LazyTable<fn(Callback<()>) -> AnyView> =
    LazyTable::new(LazyChunk::Talk);

/// The rows of the list.
#[component]
pub(crate) fn HistoryList(on_choice: Callback<()>) -> impl IntoView {
    let history = Chat::get().stored();
    let rows = Memo::new(move |_| {
        history.with(|history| {
            let row = |one: &Conversation| ConversationRow {
                id: one.id.clone(),
                title: one.title().unwrap_or_else(|| chat::UNTITLED.to_owned()),
                changed: one.changed,
            };
            history.conversations.iter().map(row).collect::<Vec<_>>()
        })
    });
    view! {
        <ul class="history-list">
            <For each=move || rows.get() key=|row| (row.id.clone(), row.changed) let(row)><HistoryRow row=row on_choice=on_choice /></For>
        </ul>
    }
}

#[component]
fn HistoryRow(row: ConversationRow, on_choice: Callback<()>) -> impl IntoView {
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
        // The focus moves to the first conversation that is left.
        let list = node
            .get_untracked()
            .and_then(|row| row.closest(".history").ok().flatten());
        state.delete(&forgotten);
        restore_focus(move || {
            let list = list?;
            find_first(&list, ".history-open").or_else(|| find_first(&list, "button"))
        });
    });
    let keep = Callback::new(move |()| {
        asked.set(false);
        restore_focus(move || find_first(&node.try_get_untracked()??.into(), ".history-delete"));
    });
    // The memo redraws only when the text changes.
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

/// The question before a conversation is deleted, in place of its row.
#[component]
fn Question(title: String, on_yes: Callback<()>, on_no: Callback<()>) -> impl IntoView {
    let no = NodeRef::<html::Button>::new();
    Effect::new(move || {
        if let Some(no) = no.get() {
            // A button on the page can have the focus.
            let _ = no.focus();
        }
    });
    let key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            // The dialog around the list stays open.
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
