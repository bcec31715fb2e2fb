//! Keys that work on every page, and the list of them.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;

use super::Navigation;
use crate::{
    components::Dialog,
    state::{chat::Chat, route::Route},
    text::shell,
};

/// Whether somebody is writing: then letters are letters.
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

/// Listens to the keys that work on every page.
#[component]
pub fn Shortcuts() -> impl IntoView {
    let chat = Chat::get();
    let help = RwSignal::new(false);
    let pressed = window_event_listener(ev::keydown, move |event| {
        let key = event.key();
        if is_dialog_open() {
            return;
        }
        let command = event.ctrl_key() || event.meta_key();
        match key.as_str() {
            "Escape" => chat.stop(),
            "k" if command => {
                event.prevent_default();
                chat.begin();
                Navigation::go(Route::Chat);
            }
            "?" if !is_writing() => help.set(true),
            "1" if event.alt_key() => Navigation::go(Route::Chat),
            "2" if event.alt_key() => Navigation::go(Route::Leases),
            "3" if event.alt_key() => Navigation::go(Route::Receipts),
            "4" if event.alt_key() => Navigation::go(Route::Settings),
            _ => {}
        }
    });
    on_cleanup(move || pressed.remove());
    view! {
        <Dialog open=help title=shell::KEYS>
            <KeyHelp />
        </Dialog>
    }
}

/// The list of keys.
#[component]
pub fn KeyHelp() -> impl IntoView {
    let row = |(keys, does): (&'static str, &'static str)| {
        view! { <div class="key-row"><dt><kbd>{keys}</kbd></dt><dd>{does}</dd></div> }
    };
    view! { <dl class="key-list">{shell::KEY_LIST.map(row).into_iter().collect_view()}</dl> }
}
