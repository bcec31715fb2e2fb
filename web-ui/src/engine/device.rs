//! That something about the device has turned out: its clock is wrong, its storage keeps nothing. One signal for both, of a type that
//! the page has anyway, since a first visit loads it.

use leptos::prelude::*;

thread_local! {
    static CHANGES: ArcRwSignal<u64> = ArcRwSignal::new(0);
}

/// Follows what turns out.
pub(super) fn track() {
    CHANGES.with(|changes| changes.track());
}

/// Something has turned out.
pub(super) fn changed() {
    CHANGES.with(|changes| *changes.write() += 1);
}
