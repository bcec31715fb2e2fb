//! Keys that work on every page, and what they open.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use wasm_split_helpers::wasm_split;

use super::{Doors, KeyHelp, Navigation, palette::Palette};
use crate::{
    components::{Dialog, Glyph, Icon},
    part::{NotLoaded, Part},
    state::{chat::Chat, route::Route},
    text::{palette, shell},
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

/// What opens over every page. A first visit has nothing of it.
#[derive(Clone, Copy)]
struct Lists {
    palette: fn() -> AnyView,
    keys: fn() -> AnyView,
}

static LISTS: Part<Lists> = Part::new(|| Box::pin(lists()));

#[wasm_split(pages, fallible)]
fn lists() -> Result<Lists, NotLoaded> {
    Ok(Lists {
        palette: || view! { <Palette /> }.into_any(),
        keys: || view! { <KeyHelp /> }.into_any(),
    })
}

/// Listens to the keys that work on every page.
#[component]
pub fn Shortcuts() -> impl IntoView {
    let chat = Chat::get();
    let doors = Doors::get();
    let pressed = window_event_listener(ev::keydown, move |event| {
        let key = event.key();
        let command = event.ctrl_key() || event.meta_key();
        if is_dialog_open() {
            if key == "k" && command && doors.palette.get_untracked() {
                event.prevent_default();
                doors.palette.set(false);
            }
            return;
        }
        match key.as_str() {
            "Escape" => chat.stop(),
            "k" if command => {
                event.prevent_default();
                doors.palette.set(true);
            }
            "?" if !is_writing() => doors.keys.set(true),
            "n" if event.alt_key() && !command => {
                event.prevent_default();
                chat.begin();
                Navigation::go(Route::Chat);
            }
            "1" if event.alt_key() => Navigation::go(Route::Chat),
            "2" if event.alt_key() => Navigation::go(Route::Leases),
            "3" if event.alt_key() => Navigation::go(Route::Receipts),
            "4" if event.alt_key() => Navigation::go(Route::Settings),
            _ => {}
        }
    });
    on_cleanup(move || pressed.remove());
    view! {
        <Dialog open=doors.keys title=shell::KEYS>{LISTS.show(|lists| (lists.keys)())}</Dialog>
        <Dialog open=doors.palette title=palette::TITLE class="palette" on_close=move |()| doors.palette_left()>
            {LISTS.show(|lists| (lists.palette)())}
        </Dialog>
    }
}

/// Opens the list of commands.
#[component]
pub fn PaletteButton() -> impl IntoView {
    let doors = Doors::get();
    let platform = window().navigator().platform().unwrap_or_default();
    let key = if platform.starts_with("Mac") {
        "⌘ K"
    } else {
        "Ctrl K"
    };
    view! {
        <button type="button" class="chip palette-button" title=palette::TITLE aria-haspopup="dialog" on:click=move |_| doors.palette.set(true)>
            <Icon glyph=Glyph::Search /><span class="hidden">{palette::TITLE}</span><kbd>{key}</kbd>
        </button>
    }
}
