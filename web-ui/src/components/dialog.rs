//! A modal dialog: the browser's own, which keeps the focus inside and gives it back. The browser's Back closes it.

use leptos::{html, prelude::*};

use super::{Glyph, Icon, rest};
use crate::text::shell;

/// A modal dialog. Its content exists only while it is open.
#[component]
pub fn Dialog(
    /// Whether it is open; closing it by key or button sets this.
    open: RwSignal<bool>,
    /// Its heading.
    #[prop(into)]
    title: Signal<String>,
    /// Its look.
    #[prop(optional)]
    class: &'static str,
    /// What happens once it has been closed, by whatever means.
    #[prop(optional, into)]
    on_close: Option<Callback<()>>,
    /// Asked before it closes by key, backdrop or button: false keeps it open.
    #[prop(optional, into)]
    guard: Option<Callback<(), bool>>,
    /// Its content.
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = node.get() else { return };
        if open.get() && !dialog.open() {
            // It can only fail where the element has left the page; then there is nothing to show.
            let _ = dialog.show_modal();
            rest::dialog_opened(open, guard);
        } else if !open.get() && dialog.open() {
            dialog.close();
        }
    });
    let may_close = move || guard.is_none_or(|guard| guard.run(()));
    let leave = move || {
        if may_close() {
            open.set(false);
        }
    };
    let closed = move |_| {
        let node = node.get_untracked();
        // The event comes a moment after the closing; the dialog may have been opened again since.
        if node.as_ref().is_some_and(|dialog| dialog.open()) {
            return;
        }
        // A browser lets a dialog hold back its first closing, and not the second.
        if open.get_untracked()
            && !may_close()
            && let Some(dialog) = node
        {
            let _ = dialog.show_modal();
            return;
        }
        open.set(false);
        rest::dialog_closed(open);
        if let Some(on_close) = on_close {
            on_close.run(());
        }
    };
    on_cleanup(move || {
        if open.try_get_untracked().unwrap_or_default() {
            rest::dialog_closed(open);
        }
    });
    // A press on the backdrop is a press on the dialog itself, outside of everything in it.
    let pressed = move |event: web_sys::MouseEvent| {
        if event.target() == event.current_target() && class != "terminal-dialog" {
            // The press would take the focus from where the dialog gives it back to.
            event.prevent_default();
            leave();
        }
    };
    let key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" && !may_close() {
            event.prevent_default();
        }
    };
    view! {
        <dialog node_ref=node class=format!("dialog {class}") aria-label=move || title.get() on:close=closed on:mousedown=pressed on:keydown=key>
            <div class="dialog-frame">
                <header class="dialog-head">
                    <h2>{move || title.get()}</h2>
                    <button type="button" class="icon-button" aria-label=shell::CLOSE title=shell::CLOSE on:click=move |_| leave()>
                        <Icon glyph=Glyph::Cross />
                    </button>
                </header>
                <div class="dialog-body">{move || open.get().then(|| children())}</div>
            </div>
        </dialog>
    }
}
