//! Time as a parameter: domain code takes an `Arc<dyn Clock>`, so that expiry is tested by moving a [`ManualClock`]
//! and not by waiting. Times are Unix times, because they are stored and signed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A future that borrows the clock; boxed so that the trait can be used as `dyn Clock`.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Tells the time and waits for it.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn unix_millis(&self) -> u64;

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1000
    }

    /// Monotonic milliseconds: setting the wall clock does not change them. For elapsed time within one process only; the
    /// value means nothing to another process or after a restart.
    fn monotonic_millis(&self) -> u64 {
        self.unix_millis()
    }

    /// Completes once [`Clock::unix_millis`] is at or after `deadline_millis`; at once if it already is.
    /// Dropping the future cancels the wait.
    fn sleep_until(&self, deadline_millis: u64) -> Sleep<'_>;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The system time can be set while we sleep, and the timer would not notice; so no single nap is longer than this.
const LONGEST_NAP: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    fn unix_millis(&self) -> u64 {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_millis(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep_until(&self, deadline_millis: u64) -> Sleep<'_> {
        Box::pin(async move {
            loop {
                let left = deadline_millis.saturating_sub(self.unix_millis());
                if left == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(left).min(LONGEST_NAP)).await;
            }
        })
    }
}

/// A clock that stands still until a test moves it. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    millis: Arc<watch::Sender<u64>>,
}

impl ManualClock {
    /// A clock that shows `unix_seconds`.
    pub fn at(unix_seconds: u64) -> Self {
        Self {
            millis: Arc::new(watch::Sender::new(unix_seconds * 1000)),
        }
    }

    /// Moves the clock forward and wakes everybody whose deadline has come.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.millis
            .send_modify(|millis| *millis = millis.saturating_add(by));
    }

    /// Shows another time, earlier or later.
    pub fn set(&self, unix_seconds: u64) {
        self.millis.send_replace(unix_seconds * 1000);
    }

    /// How many sleepers wait now; a test waits for the worker to be asleep before it moves the clock.
    pub fn sleepers(&self) -> usize {
        self.millis.receiver_count()
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> u64 {
        *self.millis.borrow()
    }

    fn sleep_until(&self, deadline_millis: u64) -> Sleep<'_> {
        // Subscribed here and not in the future, so that a move between the call and the first poll is seen.
        let mut time = self.millis.subscribe();
        Box::pin(async move {
            time.wait_for(|now| *now >= deadline_millis)
                .await
                .expect("the sender lives in the borrowed clock");
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn moving_the_manual_clock_wakes_exactly_the_sleepers_that_are_due() {
        let clock = ManualClock::at(1_000);
        let early = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(1_060_000).await }
        });
        let late = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(1_061_000).await }
        });
        tokio::time::timeout(DEADLINE, async {
            while clock.sleepers() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();

        clock.advance(Duration::from_secs(60));
        tokio::time::timeout(DEADLINE, early)
            .await
            .unwrap()
            .unwrap();
        assert!(!late.is_finished());
        assert_eq!(clock.unix_seconds(), 1_060);

        clock.set(2_000);
        tokio::time::timeout(DEADLINE, late).await.unwrap().unwrap();
        assert_eq!(clock.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_deadline_in_the_past_does_not_wait() {
        let clock = ManualClock::at(10);
        tokio::time::timeout(DEADLINE, clock.sleep_until(10_000))
            .await
            .unwrap();
        tokio::time::timeout(DEADLINE, SystemClock.sleep_until(0))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn the_system_clock_sleeps_until_its_own_deadline() {
        let deadline = SystemClock.unix_millis() + 20;
        tokio::time::timeout(DEADLINE, SystemClock.sleep_until(deadline))
            .await
            .unwrap();
        assert!(SystemClock.unix_millis() >= deadline);
    }
}
