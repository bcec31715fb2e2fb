//! Warns on every page before a lease expires.

use leptos::prelude::*;

use crate::{
    components::{Toasts, Tone},
    format::duration,
    state::{
        lease::{board::Board, expiry_warnings},
        now::Now,
    },
    text::leases,
};

/// Shows the warnings as toasts.
#[component]
pub fn ExpiryWarnings() -> impl IntoView {
    let (board, now, toasts) = (Board::get().leases(), Now::get(), Toasts::get());
    let warnings = StoredValue::new(expiry_warnings::ExpiryWarnings::default());
    Effect::new(move || {
        let now = now.get();
        let due = board.with(|leases| {
            let leases = leases.as_deref().unwrap_or_default();
            warnings.try_update_value(|warnings| warnings.due(leases, now))
        });
        for warning in due.unwrap_or_default() {
            let left = duration(warning.seconds);
            toasts.show(Tone::Warning, leases::ends_in(&warning.hostname, &left));
        }
    });
}
