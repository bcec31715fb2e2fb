//! The traffic of a container's interface: the counters of its status, which begin at zero with
//! every start and every new interface, and the history, which continues.

use serde::{Deserialize, Serialize};

use super::history::{History, IDLE, Span};

/// The meter of one container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Meter {
    /// Bytes received and sent, up to the time below.
    counted: [u64; 2],
    /// Since when the idle traffic of every container is added; `None` while nothing passes.
    since: Option<f64>,
    pub(crate) history: History,
}

impl Meter {
    /// Called when the container starts or gets a new interface.
    pub(crate) fn restart(&mut self, span: Span) {
        self.counted = [0; 2];
        self.go_on(span);
    }

    /// Sets the link up or down; the counters stay.
    pub(crate) fn plug(&mut self, span: Span) {
        self.counted = self.traffic(span.from);
        self.go_on(span);
    }

    fn go_on(&mut self, span: Span) {
        self.since = span.linked.then_some(span.from);
        self.history.open(span);
    }

    pub(crate) fn stop(&mut self, now: f64) {
        self.counted = [0; 2];
        self.since = None;
        self.history.close(now);
    }

    /// Bytes received and sent.
    pub(crate) fn traffic(&self, now: f64) -> [u64; 2] {
        let seconds = (now - self.since.unwrap_or(now)).max(0.0) as u64;
        [0, 1].map(|way| self.counted[way].saturating_add(seconds.saturating_mul(IDLE[way])))
    }

    /// Adds bytes, unless the link is down.
    pub(crate) fn add(&mut self, now: f64, bytes: [u64; 2]) -> bool {
        if self.since.is_none() {
            return false;
        }
        self.counted = [0, 1].map(|way| self.counted[way].saturating_add(bytes[way]));
        self.history.add(now, bytes);
        true
    }
}
