//! The time, as a signal that changes every second while the page is visible.

use std::time::Duration;

use leptos::prelude::*;

use crate::browser::clock;

/// The time in Unix seconds by the service's clock, for countdowns.
#[derive(Clone, Copy)]
pub struct Now(RwSignal<u64>);

/// Whether the page is visible.
pub fn is_visible() -> bool {
    !document().hidden()
}

/// Calls `action` at an interval while the page is visible, as long as the calling component lives.
pub fn every(period: Duration, action: impl Fn() + 'static) {
    let tick = move || {
        if is_visible() {
            action();
        }
    };
    if let Ok(handle) = set_interval_with_handle(tick, period) {
        on_cleanup(move || handle.clear());
    }
}

impl Now {
    /// Starts the clock for the whole application.
    pub fn provide() {
        let now = RwSignal::new(clock::now());
        every(Duration::from_secs(1), move || now.set(clock::now()));
        let visible =
            window_event_listener_untyped("visibilitychange", move |_| now.set(clock::now()));
        on_cleanup(move || visible.remove());
        provide_context(Self(now));
    }

    /// The application's clock.
    pub fn get() -> Signal<u64> {
        expect_context::<Self>().0.into()
    }
}
