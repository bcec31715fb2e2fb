//! When the link of a container may be put up, by the monotonic clock. A system clock that jumps
//! forward would open a link before the host's firewall knows the rules, and one that is set back
//! would keep it down for paid hours. The time of day in the store is for a process that did not
//! see the wait begin: a restarted one, or another replica.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{backoff::Backoff, fences::SETTLES_AFTER};
use crate::ids::LeaseId;

/// The longest pause between two tries, in seconds: a customer waits, and pays for it.
const LONGEST_PAUSE: i64 = 60;

/// The links that are kept down, by the id of their lease.
pub struct LinkWaits {
    /// When the rules are in force, in milliseconds of the monotonic clock.
    ready: Mutex<HashMap<LeaseId, u64>>,
    tries: Backoff,
}

impl Default for LinkWaits {
    fn default() -> Self {
        Self {
            ready: Mutex::default(),
            tries: Backoff::up_to(LONGEST_PAUSE),
        }
    }
}

impl LinkWaits {
    fn ready(&self) -> MutexGuard<'_, HashMap<LeaseId, u64>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules of a lease's container were set at `now`, in milliseconds of the monotonic clock.
    pub fn begin(&self, lease_id: &LeaseId, now: u64) {
        self.ready()
            .insert(lease_id.clone(), now + millis(SETTLES_AFTER));
    }

    /// When the link is to be tried, in milliseconds of the monotonic clock, of which it is `now`.
    /// By the time of day there are `left` seconds, which counts where this process has not seen
    /// the wait begin, up to the whole wait.
    pub fn next_try(&self, lease_id: &LeaseId, left: i64, now: u64) -> u64 {
        let left = left.clamp(0, SETTLES_AFTER);
        let ready = *self
            .ready()
            .entry(lease_id.clone())
            .or_insert_with(|| now + millis(left));
        let again = self.tries.next(lease_id, seconds(now)).map_or(0, millis);
        ready.max(again)
    }

    /// A try has failed at `now`, in milliseconds of the monotonic clock.
    pub fn failed(&self, lease_id: &LeaseId, now: u64) {
        self.tries.failed(lease_id, seconds(now));
    }

    /// Forgets all but these.
    pub fn keep(&self, waiting: &HashSet<&LeaseId>) {
        self.ready().retain(|id, _| waiting.contains(id));
        self.tries.keep(|id| waiting.contains(&id));
    }
}

fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}

fn seconds(millis: u64) -> i64 {
    i64::try_from(millis.div_ceil(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 50_000;

    #[test]
    fn a_clock_that_is_set_moves_no_link() {
        let waits = LinkWaits::default();
        waits.begin(&"lease-1".into(), NOW);
        for left in [-3600, 0, 5, 3600] {
            assert_eq!(
                waits.next_try(&"lease-1".into(), left, NOW + 1),
                NOW + 12_000
            );
        }
        // Nothing is kept of it once the link is up.
        waits.keep(&HashSet::new());
        assert_eq!(waits.next_try(&"lease-1".into(), 0, NOW + 1), NOW + 1);
    }

    #[test]
    fn a_process_that_has_not_seen_the_beginning_waits_for_what_is_left_and_never_longer() {
        let waits = LinkWaits::default();
        for (id, left, wait) in [
            ("due", -1, 0),
            ("soon", 5, 5_000),
            ("set back", 7200, 12_000),
        ] {
            assert_eq!(waits.next_try(&id.into(), left, NOW), NOW + wait, "{id}");
            // By the first look, whatever the time of day is then.
            assert_eq!(
                waits.next_try(&id.into(), -7200, NOW + 1),
                NOW + wait,
                "{id}"
            );
        }
    }

    #[test]
    fn failures_make_pauses_that_grow_to_a_minute() {
        let waits = LinkWaits::default();
        let mut now = NOW;
        let pauses: Vec<u64> = (0..7)
            .map(|_| {
                waits.failed(&"lease-1".into(), now);
                let next = waits.next_try(&"lease-1".into(), 0, now);
                let pause = next - now;
                now = next;
                pause
            })
            .collect();
        assert_eq!(
            pauses,
            [5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]
        );
    }
}
