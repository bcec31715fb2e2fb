//! The simulator's two clocks: the wall clock, which a test may move forward so that tickets age,
//! and the factor that shortens realistic durations so that a test need not wait for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall clock and time scale.
#[derive(Debug)]
pub(crate) struct Clock {
    scale_bits: AtomicU64,
    ahead_millis: AtomicU64,
}

impl Clock {
    pub(crate) fn new(scale: f64) -> Self {
        Self {
            scale_bits: AtomicU64::new(scale.to_bits()),
            ahead_millis: AtomicU64::new(0),
        }
    }

    /// Seconds since the epoch.
    pub(crate) fn now(&self) -> f64 {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        real.as_secs_f64() + self.ahead_millis.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// Whole seconds since the epoch.
    pub(crate) fn seconds(&self) -> u64 {
        self.now() as u64
    }

    pub(crate) fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn set_scale(&self, scale: f64) {
        self.scale_bits.store(scale.to_bits(), Ordering::Relaxed);
    }

    /// A realistic duration, scaled.
    pub(crate) fn scaled(&self, realistic: Duration) -> Duration {
        let scale = f64::from_bits(self.scale_bits.load(Ordering::Relaxed));
        realistic.mul_f64(scale.max(0.0))
    }

    pub(crate) async fn sleep(&self, realistic: Duration) {
        let real = self.scaled(realistic);
        if real.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(real).await;
        }
    }
}
