//! Counts the bytes of a console, and measures how long it is idle and its client silent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use service::clock::Clock;

use crate::state::App;

/// Counters of one connection, shared by both of its directions.
pub(super) struct Meter {
    app: App,
    begun: Instant,
    typed: AtomicU64,
    shown: AtomicU64,
    /// When something was typed or shown last, Unix milliseconds.
    active: AtomicU64,
    /// When the client was heard of last, milliseconds since `begun`; this is about the connection,
    /// so it is real time.
    heard: AtomicU64,
    /// What was typed waits for the container, and the client is not listened to meanwhile.
    held_back: AtomicBool,
}

impl Meter {
    pub(super) fn new(app: &App) -> Self {
        Self {
            app: app.clone(),
            begun: Instant::now(),
            typed: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            active: AtomicU64::new(app.clock.unix_millis()),
            heard: AtomicU64::new(0),
            held_back: AtomicBool::new(false),
        }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.app.clock.as_ref()
    }

    pub(super) fn type_bytes(&self, count: usize) {
        self.typed.fetch_add(count as u64, Ordering::Relaxed);
        self.be_active();
    }

    pub(super) fn show_bytes(&self, count: usize) {
        self.shown.fetch_add(count as u64, Ordering::Relaxed);
        self.be_active();
    }

    fn be_active(&self) {
        let now = self.app.clock.unix_millis();
        self.active.store(now, Ordering::Relaxed);
    }

    pub(super) fn hear(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
    }

    pub(super) fn hold_back(&self, held: bool) {
        self.held_back.store(held, Ordering::Relaxed);
        self.hear();
    }

    /// How long the client has been silent, also to our pings.
    pub(super) fn silence(&self) -> Duration {
        if self.held_back.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(heard)
    }

    /// Unix milliseconds.
    pub(super) fn last_active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    pub(super) fn typed(&self) -> u64 {
        self.typed.load(Ordering::Relaxed)
    }

    pub(super) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self, max_bytes: u64) -> bool {
        self.typed().saturating_add(self.shown()) > max_bytes
    }

    pub(super) fn seconds(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }
}
