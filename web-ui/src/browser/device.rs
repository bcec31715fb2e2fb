//! A signal that changes when something about the device turns out to be wrong: its clock is off,
//! or its storage stores nothing. It is one signal for both, of a type that the page uses anyway,
//! which keeps the first visit small.

use leptos::prelude::*;

thread_local! {
    static CHANGES: ArcRwSignal<u64> = ArcRwSignal::new(0);
}

/// Tracks the signal.
pub(super) fn track() {
    CHANGES.with(|changes| changes.track());
}

/// Notifies all that track the signal.
pub(super) fn notify() {
    CHANGES.with(|changes| *changes.write() += 1);
}
