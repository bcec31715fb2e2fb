//! The browser's storage. Where it is closed to the page (a private window, a full disk), nothing is kept; [`failed`] says so, and
//! nothing else fails.

use std::cell::Cell;

use leptos::prelude::window;
use web_sys::Storage;

use super::device;

thread_local! {
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Whether something could not be kept on this page.
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

/// What is kept under a name, for all tabs.
pub fn read(name: &str) -> Option<String> {
    local()?.get_item(name).ok().flatten()
}

/// Keeps a text under a name, for all tabs. False where it could not.
pub fn write(name: &str, text: &str) -> bool {
    let kept = local().is_some_and(|storage| storage.set_item(name, text).is_ok());
    if !kept && !FAILED.replace(true) {
        device::changed();
    }
    kept
}

/// Forgets what is kept under a name.
pub fn forget(name: &str) {
    if let Some(storage) = local() {
        // It fails only where nothing can be kept either.
        let _ = storage.remove_item(name);
    }
}

/// What this tab keeps under a name until it is closed.
pub fn read_tab(name: &str) -> Option<String> {
    session()?.get_item(name).ok().flatten()
}

/// Keeps a text until this tab is closed.
pub fn write_tab(name: &str, text: &str) {
    if let Some(storage) = session() {
        // A tab that cannot keep it forgets it at the next reload.
        let _ = storage.set_item(name, text);
    }
}
