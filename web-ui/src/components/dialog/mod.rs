//! A modal dialog: the browser's own, which keeps the focus inside and gives it back. The browser's
//! Back button closes it.

pub(crate) mod back_button;

use leptos::{html, prelude::*};

use super::{Glyph, Icon};
use crate::{
    lazy::{LazyChunk, LazyTable},
    text::shell,
};

/// The handling of the browser's Back button. Until it is loaded, Back works as if there were no
/// dialogs.
#[derive(Clone, Copy)]
pub(crate) struct BackButton {
    pub(crate) opened: fn(RwSignal<bool>, Option<Callback<(), bool>>),
    pub(crate) closed: fn(RwSignal<bool>),
}

pub(crate) static BACK_BUTTON: LazyTable<BackButton> = LazyTable::new(LazyChunk::Pages);

fn on_opened(open: RwSignal<bool>, guard: Option<Callback<(), bool>>) {
    BACK_BUTTON.then(move |back| {
        if let Ok(back) = back {
            (back.opened)(open, guard);
        }
    });
}

fn on_closed(open: RwSignal<bool>) {
    // Without the chunk, the opening was not recorded either.
    if let Some(back) = BACK_BUTTON.get() {
        (back.closed)(open);
    }
}

/// A modal dialog. Its content exists only while it is open.
#[component]
pub fn Dialog(
    /// Whether it is open. Closing it by key or button sets this.
    open: RwSignal<bool>,
    /// Its heading.
    #[prop(into)]
    title: Signal<String>,
    /// Its class in the stylesheet.
    #[prop(optional)]
    class: &'static str,
    /// Called once it is closed, by any means.
    #[prop(optional, into)]
    on_close: Option<Callback<()>>,
    /// Called before it closes by key, backdrop, button or Back. False keeps it open.
    #[prop(optional, into)]
    guard: Option<Callback<(), bool>>,
    /// Its content.
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = node.get() else { return };
        if open.get() && !dialog.open() {
            // This fails only if the element has left the page.
            let _ = dialog.show_modal();
            on_opened(open, guard);
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
        // The event comes after the closing, and the dialog may be open again by then.
        if node.as_ref().is_some_and(|dialog| dialog.open()) {
            return;
        }
        // Browsers let a page prevent the first closing of a dialog, but not the second.
        if open.get_untracked()
            && !may_close()
            && let Some(dialog) = node
        {
            let _ = dialog.show_modal();
            return;
        }
        open.set(false);
        on_closed(open);
        if let Some(on_close) = on_close {
            on_close.run(());
        }
    };
    on_cleanup(move || {
        if open.try_get_untracked().unwrap_or_default() {
            on_closed(open);
        }
    });
    // A press on the backdrop has the dialog itself as its target.
    let pressed = move |event: web_sys::MouseEvent| {
        if event.target() == event.current_target() && class != "terminal-dialog" {
            // Otherwise the press would move the focus away from the element to which the dialog
            // returns it.
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
