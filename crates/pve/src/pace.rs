//! When to look whether slow work is done. Work of one kind takes about as long as it did the last time: until shortly before
//! that looks are rare, because each costs the host something, and then they are close together, because a customer is waiting.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Where it is not known how long work takes, it is seen to be done after this part of its time at most.
const UNKNOWN: u32 = 16;

/// How long one kind of work took the last time, at least.
#[derive(Debug, Default)]
pub struct Pace(Mutex<Option<Duration>>);

/// The looks at one piece of work.
#[derive(Debug)]
pub struct Looks<'a> {
    pace: &'a Pace,
    start: Instant,
    first: Duration,
    most: Duration,
    /// The pause after more than the usual time; it grows by half each time.
    next: Duration,
    /// When the work was last seen not to be done.
    unfinished: Duration,
}

impl Pace {
    /// Starts the clock. `first` is the shortest pause between two looks, `most` the longest.
    pub fn looks(&self, first: Duration, most: Duration) -> Looks<'_> {
        Looks {
            pace: self,
            start: Instant::now(),
            first,
            most,
            next: first,
            unfinished: Duration::ZERO,
        }
    }

    fn usual(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looks<'_> {
    /// How long to wait before the next look, after one that has seen the work not to be done.
    pub fn pause(&mut self) -> Duration {
        let waited = self.start.elapsed();
        self.unfinished = waited;
        let Some(usual) = self.pace.usual() else {
            // The first of its kind: nobody shall wait much longer than it takes.
            let pause = waited / UNKNOWN;
            return pause.clamp(self.first, self.most.max(self.first));
        };
        let (early, late) = (usual.mul_f64(0.95), usual.mul_f64(1.25));
        if waited < early {
            return (early - waited).clamp(self.first, self.most.max(self.first));
        }
        if waited < late {
            return self.first;
        }
        let pause = self.next;
        self.next = (pause * 3 / 2).min(self.most);
        pause
    }

    /// The work is done.
    pub fn done(self) {
        let mut usual = self.pace.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It was done at some time since then; this is the end of the two that makes nobody late.
        *usual = Some(self.unfinished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(60);
    const MOST: Duration = Duration::from_secs(1);

    /// Looks until the work is done: how many looks, and how late the last one was.
    async fn watch(pace: &Pace, work: Duration) -> (u32, Duration) {
        let start = Instant::now();
        let mut looks = pace.looks(FIRST, MOST);
        for number in 1.. {
            tokio::time::sleep(looks.pause()).await;
            if start.elapsed() >= work {
                looks.done();
                return (number, start.elapsed() - work);
            }
        }
        unreachable!("the work ends")
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_its_usual_time_is_seen_at_once_with_few_looks() {
        let pace = Pace::default();
        let (looks, late) = watch(&pace, Duration::from_millis(5300)).await;
        assert!(
            looks < 64 && late <= Duration::from_millis(5300 / 16 + 10),
            "the first time: {looks} looks, {late:?} late"
        );
        for work in [5300, 5200, 5400, 5900] {
            let (looks, late) = watch(&pace, Duration::from_millis(work)).await;
            assert!(
                late <= FIRST && looks < 24,
                "{work}: {looks} looks, {late:?} late"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_much_longer_than_usual_is_looked_at_less_and_less() {
        let pace = Pace::default();
        watch(&pace, Duration::from_millis(500)).await;
        let (looks, late) = watch(&pace, Duration::from_secs(60)).await;
        assert!(looks < 75 && late <= MOST, "{looks} looks, {late:?} late");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_early_is_not_missed_for_longer_than_the_longest_pause() {
        let pace = Pace::default();
        watch(&pace, Duration::from_secs(30)).await;
        let (_, late) = watch(&pace, Duration::from_millis(1500)).await;
        assert!(late <= MOST, "{late:?}");
    }
}
