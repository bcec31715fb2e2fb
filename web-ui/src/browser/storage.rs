//! The browser's storage. Where the page may not use it (a private window, a full disk), nothing is
//! stored and no call fails; [`failed`] tells.

use std::cell::Cell;

use leptos::prelude::window;
use web_sys::Storage;

use super::device;

thread_local! {
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Whether something could not be stored since the page was loaded. Tracked as a signal.
pub fn failed() -> bool {
    device::track();
    FAILED.get()
}

fn local() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

fn session() -> Option<Storage> {
    window().session_storage().ok().flatten()
}

/// The text that is stored under a name, for all tabs.
pub fn read(name: &str) -> Option<String> {
    local()?.get_item(name).ok().flatten()
}

/// Stores a text under a name, for all tabs. False if it could not be stored.
pub fn write(name: &str, text: &str) -> bool {
    let stored = local().is_some_and(|storage| storage.set_item(name, text).is_ok());
    if !stored && !FAILED.replace(true) {
        device::notify();
    }
    stored
}

/// Removes what is stored under a name.
pub fn remove(name: &str) {
    if let Some(storage) = local() {
        // It fails only where nothing can be stored either.
        let _ = storage.remove_item(name);
    }
}

/// The text that is stored under a name for this tab.
pub fn read_tab(name: &str) -> Option<String> {
    session()?.get_item(name).ok().flatten()
}

/// Stores a text under a name until this tab is closed.
pub fn write_tab(name: &str, text: &str) {
    if let Some(storage) = session() {
        // Where it cannot be stored, it is lost at the next reload.
        let _ = storage.set_item(name, text);
    }
}
