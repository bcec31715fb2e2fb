//! Keyboard shortcuts that work on every page, and the overlays that they open.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;

use super::Overlays;
use crate::{
    components::{Dialog, Glyph, Icon, Navigation},
    lazy::{LazyChunk, LazyTable},
    pages::PAGES,
    state::{chat::Chat, route::Route},
    text::{palette, shell},
};

/// Whether the customer is typing text, so that letters are no shortcuts.
fn is_writing() -> bool {
    let Some(element) = document().active_element() else {
        return false;
    };
    let writes = ["INPUT", "TEXTAREA", "SELECT"].contains(&element.tag_name().as_str());
    writes
        || element
            .closest(".terminal-host")
            .is_ok_and(|terminal| terminal.is_some())
}

fn is_dialog_open() -> bool {
    let open = document().query_selector("dialog[open]").ok().flatten();
    open.is_some_and(|dialog| dialog.is_instance_of::<web_sys::HtmlDialogElement>())
}

/// The contents of the overlays.
#[derive(Clone, Copy)]
pub(crate) struct OverlayViews {
    pub(crate) palette: fn() -> AnyView,
    pub(crate) keys: fn() -> AnyView,
}

pub(crate) static OVERLAY_VIEWS: LazyTable<OverlayViews> = LazyTable::new(LazyChunk::Pages);

/// Listens to the shortcuts that work on every page.
#[component]
pub fn Shortcuts() -> impl IntoView {
    let chat = Chat::get();
    let overlays = Overlays::get();
    let pressed = window_event_listener(ev::keydown, move |event| {
        let key = event.key();
        let command = event.ctrl_key() || event.meta_key();
        if is_dialog_open() {
            if key == "k" && command && overlays.palette.get_untracked() {
                event.prevent_default();
                overlays.palette.set(false);
            }
            return;
        }
        match key.as_str() {
            "Escape" => chat.stop(),
            "k" if command => {
                event.prevent_default();
                overlays.palette.set(true);
            }
            "?" if !is_writing() => overlays.keys.set(true),
            "n" if event.alt_key() && !command => {
                event.prevent_default();
                chat.start_new();
                Navigation::go(Route::CHAT);
            }
            key if event.alt_key() => {
                if let Some(page) = PAGES.iter().find(|page| page.key == key) {
                    Navigation::go(page.route);
                }
            }
            _ => {}
        }
    });
    on_cleanup(move || pressed.remove());
    view! {
        <Dialog open=overlays.keys title=shell::KEYS>{OVERLAY_VIEWS.show(|views| (views.keys)())}</Dialog>
        <Dialog open=overlays.palette title=palette::TITLE class="palette" on_close=move |()| overlays.on_palette_closed()>
            {OVERLAY_VIEWS.show(|views| (views.palette)())}
        </Dialog>
    }
}

/// The button that opens the command palette.
#[component]
pub fn PaletteButton() -> impl IntoView {
    let overlays = Overlays::get();
    let platform = window().navigator().platform().unwrap_or_default();
    let key = if platform.starts_with("Mac") {
        "⌘ K"
    } else {
        "Ctrl K"
    };
    view! {
        <button type="button" class="chip palette-button" title=palette::TITLE aria-haspopup="dialog" on:click=move |_| overlays.palette.set(true)>
            <Icon glyph=Glyph::Search /><span class="hidden">{palette::TITLE}</span><kbd>{key}</kbd>
        </button>
    }
}
