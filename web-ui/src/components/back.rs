//! The browser's Back, with a dialog open: it closes the dialog and leaves the page. Each open dialog has an entry in the browser's
//! history, which goes when the dialog is closed by other means. Entries come and go a moment after the dialogs do, so that one
//! dialog in the place of another leaves things as they are.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::History;

thread_local! {
    /// The open dialogs, the last one on top.
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
    /// Whether the way back is ours, and not the customer's.
    static LEAVING: Cell<bool> = const { Cell::new(false) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// An open dialog: what closes it, and who is asked before.
#[derive(Clone, Copy)]
struct Open {
    dialog: RwSignal<bool>,
    guard: Option<Callback<(), bool>>,
}

impl Open {
    /// Closes it, unless it is held.
    fn close(self) -> bool {
        // Its page may be gone with it.
        let held = self.dialog.try_get_untracked() == Some(true)
            && self.guard.is_some_and(|guard| !guard.run(()));
        if !held {
            self.dialog.try_set(false);
        }
        !held
    }
}

/// A dialog is open; the guard is asked before Back closes it.
pub(super) fn opened(dialog: RwSignal<bool>, guard: Option<Callback<(), bool>>) {
    listen();
    // It may have been closed while this was on its way.
    if dialog.try_get_untracked() != Some(true) {
        return;
    }
    OPEN.with_borrow_mut(|open| {
        if !open.iter().any(|other| other.dialog == dialog) {
            open.push(Open { dialog, guard });
        }
    });
    settle_soon();
}

/// A dialog is closed, or its page is gone.
pub(super) fn closed(dialog: RwSignal<bool>) {
    OPEN.with_borrow_mut(|open| open.retain(|other| other.dialog != dialog));
    settle_soon();
}

/// Hears of the browser's Back from now on, as long as the page lives. A page that was loaded again begins without the dialogs that
/// it had.
pub(super) fn listen() {
    if LISTENING.replace(true) {
        return;
    }
    window_event_listener_untyped("popstate", move |_| {
        if !LEAVING.replace(false) {
            let too_many = || OPEN.with_borrow(Vec::len) > entries();
            while too_many()
                && OPEN
                    .with_borrow(|open| open.last().copied())
                    .is_some_and(Open::close)
            {
                OPEN.with_borrow_mut(Vec::pop);
            }
        }
        settle_soon();
    });
    settle_soon();
}

fn settle_soon() {
    set_timeout(settle, Duration::ZERO);
}

/// Makes as many entries as there are dialogs.
fn settle() {
    if LEAVING.get() {
        return;
    }
    let Some(history) = history() else { return };
    let (open, entries) = (OPEN.with_borrow(Vec::len), entries());
    for depth in entries..open {
        // A browser that refuses so many entries goes a page back instead.
        let _ = history.push_state(&JsValue::from_f64((depth + 1) as f64), "");
    }
    if let Some(more) = entries.checked_sub(open).filter(|more| *more > 0)
        && history
            .go_with_delta(-i32::try_from(more).unwrap_or_default())
            .is_ok()
    {
        LEAVING.set(true);
    }
}

/// How many entries for dialogs the page is in.
fn entries() -> usize {
    let state = history().and_then(|history| history.state().ok());
    state.and_then(|state| state.as_f64()).unwrap_or_default() as usize
}

fn history() -> Option<History> {
    window().history().ok()
}
