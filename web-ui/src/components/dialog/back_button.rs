//! The browser's Back button closes an open dialog and leaves the page as it is. Each open dialog
//! has an entry in the browser's history, which is removed when the dialog is closed by other
//! means. Entries are added and removed a little later, so that a dialog that replaces another
//! changes no entries.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::History;

thread_local! {
    /// The open dialogs, the last one on top.
    static OPEN: RefCell<Vec<OpenDialog>> = const { RefCell::new(Vec::new()) };
    /// Whether a step back is ours and not the customer's.
    static GOING_BACK: Cell<bool> = const { Cell::new(false) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// An open dialog, and its guard.
#[derive(Clone, Copy)]
struct OpenDialog {
    dialog: RwSignal<bool>,
    guard: Option<Callback<(), bool>>,
}

impl OpenDialog {
    /// Closes it, unless its guard keeps it open.
    fn close(self) -> bool {
        // Its signals may be gone with its page.
        let is_kept = self.dialog.try_get_untracked() == Some(true)
            && self.guard.is_some_and(|guard| !guard.run(()));
        if !is_kept {
            self.dialog.try_set(false);
        }
        !is_kept
    }
}

/// A dialog was opened. The guard is called before Back closes it.
pub(crate) fn opened(dialog: RwSignal<bool>, guard: Option<Callback<(), bool>>) {
    listen();
    // It may have been closed while the chunk was loading.
    if dialog.try_get_untracked() != Some(true) {
        return;
    }
    OPEN.with_borrow_mut(|open| {
        if !open.iter().any(|other| other.dialog == dialog) {
            open.push(OpenDialog { dialog, guard });
        }
    });
    sync_soon();
}

/// A dialog was closed, or its page is gone.
pub(crate) fn closed(dialog: RwSignal<bool>) {
    OPEN.with_borrow_mut(|open| open.retain(|other| other.dialog != dialog));
    sync_soon();
}

/// Listens to the Back button as long as the page lives. After a reload no dialogs are open.
pub(crate) fn listen() {
    if LISTENING.replace(true) {
        return;
    }
    window_event_listener_untyped("popstate", move |_| {
        if !GOING_BACK.replace(false) {
            let too_many = || OPEN.with_borrow(Vec::len) > entries();
            while too_many()
                && OPEN
                    .with_borrow(|open| open.last().copied())
                    .is_some_and(OpenDialog::close)
            {
                OPEN.with_borrow_mut(Vec::pop);
            }
        }
        sync_soon();
    });
    sync_soon();
}

fn sync_soon() {
    set_timeout(sync_entries, Duration::ZERO);
}

/// Adds or removes entries until there are as many as open dialogs.
fn sync_entries() {
    if GOING_BACK.get() {
        return;
    }
    let Some(history) = history() else { return };
    let (open, entries) = (OPEN.with_borrow(Vec::len), entries());
    for depth in entries..open {
        // If the browser refuses an entry, Back leaves the page instead.
        let _ = history.push_state(&JsValue::from_f64((depth + 1) as f64), "");
    }
    if let Some(more) = entries.checked_sub(open).filter(|more| *more > 0)
        && history
            .go_with_delta(-i32::try_from(more).unwrap_or_default())
            .is_ok()
    {
        GOING_BACK.set(true);
    }
}

/// The number of entries for dialogs at the current place of the history.
fn entries() -> usize {
    let state = history().and_then(|history| history.state().ok());
    state.and_then(|state| state.as_f64()).unwrap_or_default() as usize
}

fn history() -> Option<History> {
    window().history().ok()
}
