//! Says in time that a lease ends, on whatever page the customer is.

use leptos::prelude::*;

use crate::{
    components::{Toasts, Tone},
    format::duration,
    state::{board::Board, expiry::Warnings, now::Now},
    text::leases,
};

/// Says it in short messages; there is nothing to see otherwise.
#[component]
pub fn ExpiryWatch() -> impl IntoView {
    let (board, now, toasts) = (Board::get().leases(), Now::get(), Toasts::get());
    let warnings = StoredValue::new(Warnings::default());
    Effect::new(move || {
        let now = now.get();
        let due = board.with(|leases| {
            let leases = leases.as_deref().unwrap_or_default();
            warnings.try_update_value(|warnings| warnings.due(leases, now))
        });
        for warning in due.unwrap_or_default() {
            let left = duration(warning.seconds);
            toasts.say(Tone::Warning, leases::ends_in(&warning.hostname, &left));
        }
    });
}
