//! Backoff of failed work on leases: soon at first, later every ten minutes or as often as the
//! caller wants. A backup can hold a container for hours, and a protected one waits for the
//! operator.

use crate::ids::LeaseId;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The first pause, in seconds.
const FIRST: i64 = 5;
/// The longest pause where no other is asked for, in seconds.
const LONGEST: i64 = 600;

#[derive(Debug, Clone, Copy)]
struct Failures {
    number: u32,
    since: i64,
    next: i64,
}

/// The leases of which a try has failed, by id.
pub struct Backoff {
    failures: Mutex<HashMap<LeaseId, Failures>>,
    longest: i64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Backoff {
    /// With pauses of so many seconds at most.
    pub fn up_to(longest: i64) -> Self {
        Self {
            failures: Mutex::default(),
            longest,
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<LeaseId, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the lease is to be tried again, Unix seconds; `None` where its last try has not failed,
    /// or was made before the clock was set back.
    pub fn next(&self, lease_id: &LeaseId, now: i64) -> Option<i64> {
        let next = self.all().get(lease_id).map(|failures| failures.next);
        next.filter(|next| next - now <= self.longest)
    }

    /// The leases of which the last try has failed.
    pub fn leases(&self) -> Vec<LeaseId> {
        self.all().keys().cloned().collect()
    }

    /// Since when its tries fail, Unix seconds.
    pub fn since(&self, lease_id: &LeaseId) -> Option<i64> {
        self.all().get(lease_id).map(|failures| failures.since)
    }

    /// A try has failed; the pause until the next one, in seconds.
    pub fn failed(&self, lease_id: &LeaseId, now: i64) -> i64 {
        let mut all = self.all();
        let failures = all.entry(lease_id.clone()).or_insert(Failures {
            number: 0,
            since: now,
            next: now,
        });
        let pause = FIRST
            .saturating_mul(1 << failures.number.min(10))
            .min(self.longest);
        failures.number += 1;
        failures.next = now + pause;
        pause
    }

    /// A try has succeeded, or something has changed that makes one worth while at once.
    pub fn reset(&self, lease_id: &LeaseId) {
        self.all().remove(lease_id);
    }

    /// Forgets leases that are over.
    pub fn keep(&self, is_live: impl Fn(&LeaseId) -> bool) {
        self.all().retain(|lease_id, _| is_live(lease_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_minutes_and_begin_anew_after_a_success() {
        let backoff = Backoff::default();
        assert_eq!(backoff.next(&"lease-1".into(), 1_000), None);
        let mut now = 1_000;
        let pauses: Vec<_> = (0..10)
            .map(|_| {
                let pause = backoff.failed(&"lease-1".into(), now);
                now += pause;
                pause
            })
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
        assert_eq!(backoff.since(&"lease-1".into()), Some(1_000));
        assert_eq!(backoff.next(&"lease-1".into(), now), Some(now));
        assert_eq!(backoff.next(&"lease-1".into(), now - LONGEST), Some(now));
        let set_back = now - LONGEST - 1;
        assert_eq!(backoff.next(&"lease-1".into(), set_back), None);
        backoff.reset(&"lease-1".into());
        assert_eq!(backoff.failed(&"lease-1".into(), now), 5);
    }
}
