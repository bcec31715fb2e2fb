//! The time, as a signal that changes every second while somebody looks.

use std::time::Duration;

use leptos::prelude::*;

use crate::engine::clock;

/// The present second, for countdowns.
#[derive(Clone, Copy)]
pub struct Now(RwSignal<u64>);

/// Whether the page can be seen.
pub fn is_visible() -> bool {
    !document().hidden()
}

/// Does something every so often while the page can be seen, as long as the calling component lives.
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
        let back =
            window_event_listener_untyped("visibilitychange", move |_| now.set(clock::now()));
        on_cleanup(move || back.remove());
        provide_context(Self(now));
    }

    /// The application's clock.
    pub fn get() -> Signal<u64> {
        expect_context::<Self>().0.into()
    }
}
