//! When to poll slow work. Work of one kind takes about as long as it did the last time: until
//! shortly before that, polls are rare, because each costs the host something; then they are close
//! together, because a customer is waiting.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Where the usual time is not known, each pause is at most the elapsed time divided by this.
const UNKNOWN_DIVISOR: u32 = 16;

/// How long one kind of work took the last time, at least.
#[derive(Debug, Default)]
pub struct PollSchedule(Mutex<Option<Duration>>);

/// The polls of one piece of work.
#[derive(Debug)]
pub struct Polling<'a> {
    schedule: &'a PollSchedule,
    start: Instant,
    shortest: Duration,
    longest: Duration,
    /// The pause after more than the usual time; it grows by half each time.
    late_pause: Duration,
    /// When the last poll found that the work was not done.
    unfinished: Duration,
}

impl PollSchedule {
    /// Starts the clock for one piece of work. `shortest` and `longest` bound the pause between two
    /// polls.
    pub fn start(&self, shortest: Duration, longest: Duration) -> Polling<'_> {
        Polling {
            schedule: self,
            start: Instant::now(),
            shortest,
            longest,
            late_pause: shortest,
            unfinished: Duration::ZERO,
        }
    }

    fn usual(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Polling<'_> {
    /// How long to wait before the next poll, after one that found the work not done.
    pub fn next_pause(&mut self) -> Duration {
        let waited = self.start.elapsed();
        self.unfinished = waited;
        let Some(usual) = self.schedule.usual() else {
            // The first of its kind: no caller shall wait much longer than it takes.
            let pause = waited / UNKNOWN_DIVISOR;
            return pause.clamp(self.shortest, self.longest.max(self.shortest));
        };
        let (early, late) = (usual.mul_f64(0.95), usual.mul_f64(1.25));
        if waited < early {
            return (early - waited).clamp(self.shortest, self.longest.max(self.shortest));
        }
        if waited < late {
            return self.shortest;
        }
        let pause = self.late_pause;
        self.late_pause = (pause * 3 / 2).min(self.longest);
        pause
    }

    /// Records that the work is done.
    pub fn done(self) {
        let mut usual = self
            .schedule
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The work ended between the last two polls. The earlier time makes no later poll late.
        *usual = Some(self.unfinished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(60);
    const MOST: Duration = Duration::from_secs(1);

    /// Polls until the work is done: how many polls, and how late the last one was.
    async fn watch(schedule: &PollSchedule, work: Duration) -> (u32, Duration) {
        let start = Instant::now();
        let mut polling = schedule.start(FIRST, MOST);
        for number in 1.. {
            tokio::time::sleep(polling.next_pause()).await;
            if start.elapsed() >= work {
                polling.done();
                return (number, start.elapsed() - work);
            }
        }
        unreachable!("the work ends")
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_its_usual_time_is_seen_at_once_with_few_looks() {
        let schedule = PollSchedule::default();
        let (polls, late) = watch(&schedule, Duration::from_millis(5300)).await;
        assert!(
            polls < 64 && late <= Duration::from_millis(5300 / 16 + 10),
            "the first time: {polls} polls, {late:?} late"
        );
        for work in [5300, 5200, 5400, 5900] {
            let (polls, late) = watch(&schedule, Duration::from_millis(work)).await;
            assert!(
                late <= FIRST && polls < 24,
                "{work}: {polls} polls, {late:?} late"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_much_longer_than_usual_is_looked_at_less_and_less() {
        let schedule = PollSchedule::default();
        watch(&schedule, Duration::from_millis(500)).await;
        let (polls, late) = watch(&schedule, Duration::from_secs(60)).await;
        assert!(polls < 75 && late <= MOST, "{polls} polls, {late:?} late");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_early_is_not_missed_for_longer_than_the_longest_pause() {
        let schedule = PollSchedule::default();
        watch(&schedule, Duration::from_secs(30)).await;
        let (_, late) = watch(&schedule, Duration::from_millis(1500)).await;
        assert!(late <= MOST, "{late:?}");
    }
}
