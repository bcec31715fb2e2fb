//! Time as a parameter: domain code takes an `Arc<dyn Clock>`, so that tests of expiry move a
//! [`TestClock`] instead of waiting. Times are Unix times, because they are stored and signed.

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

    /// The same as databases have it, with a sign.
    fn unix_time(&self) -> i64 {
        i64::try_from(self.unix_seconds()).unwrap_or(i64::MAX)
    }

    /// Monotonic milliseconds, which do not change when the wall clock is set. They measure elapsed
    /// time within one process; the value has no meaning to another process or after a restart.
    fn monotonic_millis(&self) -> u64 {
        self.unix_millis()
    }

    /// Completes when [`Clock::unix_millis`] reaches `deadline_millis`; at once if it is already
    /// past. Dropping the future cancels the wait.
    fn sleep_until(&self, deadline_millis: u64) -> Sleep<'_>;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest single sleep. The system time can be set meanwhile, and the timer would not notice.
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

/// A clock for tests, which a test moves. Clones show the same time.
#[derive(Debug, Clone)]
pub struct TestClock {
    /// Whether time passes by itself, as on the operating system's clock.
    runs: bool,
    time: Arc<watch::Sender<TestTime>>,
}

/// The changes that a test made to the time.
#[derive(Debug, Clone, Copy, Default)]
struct TestTime {
    /// Milliseconds since 1970 on a clock that stands still; milliseconds added to the system's
    /// time on a running one.
    passed_millis: u64,
    /// Milliseconds by which the wall clock was set; the monotonic time does not change.
    set_by_millis: i64,
}

impl TestClock {
    /// A clock that shows `unix_seconds` and stands still until a test moves it.
    pub fn at(unix_seconds: u64) -> Self {
        let clock = Self::new(false);
        clock.advance(Duration::from_secs(unix_seconds));
        clock
    }

    /// A clock that shows the operating system's time and can be moved forward.
    pub fn running() -> Self {
        Self::new(true)
    }

    fn new(runs: bool) -> Self {
        let time = Arc::new(watch::Sender::new(TestTime::default()));
        Self { runs, time }
    }

    /// Lets time pass and wakes every sleeper whose deadline is reached.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.time
            .send_modify(|time| time.passed_millis = time.passed_millis.saturating_add(by));
    }

    /// Lets time pass until the clock shows `unix_seconds`; does nothing if that is past.
    pub fn advance_to(&self, unix_seconds: u64) {
        let left = (unix_seconds * 1000).saturating_sub(self.unix_millis());
        self.advance(Duration::from_millis(left));
    }

    /// Sets the wall clock forward or back. The monotonic time stays the same.
    pub fn set_by(&self, seconds: i64) {
        self.time
            .send_modify(|time| time.set_by_millis += seconds * 1000);
    }

    /// The number of current sleepers, so that a test can wait for a worker to sleep before it
    /// moves the clock.
    pub fn sleepers(&self) -> usize {
        self.time.receiver_count()
    }
}

impl Clock for TestClock {
    fn unix_millis(&self) -> u64 {
        let set_by = self.time.borrow().set_by_millis;
        self.monotonic_millis().saturating_add_signed(set_by)
    }

    fn monotonic_millis(&self) -> u64 {
        let system = if self.runs {
            SystemClock.unix_millis()
        } else {
            0
        };
        system.saturating_add(self.time.borrow().passed_millis)
    }

    fn sleep_until(&self, deadline_millis: u64) -> Sleep<'_> {
        // Subscribed before the future is polled, so that a test can count the sleeper at once.
        let mut time = self.time.subscribe();
        Box::pin(async move {
            loop {
                let left = deadline_millis.saturating_sub(self.unix_millis());
                let moved = time.changed();
                if left == 0 {
                    return;
                }
                if self.runs {
                    let nap = Duration::from_millis(left).min(LONGEST_NAP);
                    let _ = tokio::time::timeout(nap, moved).await;
                } else {
                    moved.await.expect("the sender lives in the borrowed clock");
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn moving_the_test_clock_wakes_exactly_the_sleepers_that_are_due() {
        let clock = TestClock::at(1_000);
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

        clock.advance_to(2_000);
        tokio::time::timeout(DEADLINE, late).await.unwrap().unwrap();
        assert_eq!(clock.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_deadline_in_the_past_does_not_wait() {
        let clock = TestClock::at(10);
        tokio::time::timeout(DEADLINE, clock.sleep_until(10_000))
            .await
            .unwrap();
        tokio::time::timeout(DEADLINE, SystemClock.sleep_until(0))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn setting_the_wall_clock_does_not_change_the_monotonic_time() {
        let clock = TestClock::at(1_000);
        clock.set_by(-60);
        assert_eq!(clock.unix_seconds(), 940);
        assert_eq!(clock.monotonic_millis(), 1_000_000);
        let running = TestClock::running();
        running.advance(Duration::from_secs(60));
        let ahead = running.unix_millis() - SystemClock.unix_millis();
        assert!((59_000..=60_000).contains(&ahead), "{ahead}");
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
