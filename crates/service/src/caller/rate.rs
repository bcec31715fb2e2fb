//! A rate limit per caller, for one process or for several that exchange their counts.

use std::{
    cmp::Reverse,
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{
        StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

use super::network_of;
use crate::clock::Clock;

/// The maximum number of addresses; beyond it, those without recent requests are forgotten.
const REMEMBERED: usize = 10_000;

/// A rate limit per caller: a number of requests per minute, in a burst or spread.
pub struct RateLimit {
    calls: RateLimiter<IpAddr, States, ServiceTime, NoOpMiddleware<Nanos>>,
    states: States,
    quota: Quota,
    time: ServiceTime,
    /// Requests of each network that were not yet sent to other processes; `None` in a single
    /// process.
    unsent: Option<Mutex<HashMap<IpAddr, u32>>>,
}

/// The service's clock as the limiter's clock.
#[derive(Clone)]
struct ServiceTime(Arc<dyn Clock>);

impl governor::clock::Clock for ServiceTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_millis(self.0.unix_millis()).into()
    }
}

/// The time at which each network has its whole allowance again. It is the limiter's state, kept
/// here so that requests counted by other processes can change it.
#[derive(Clone, Default)]
struct States(Arc<DashMapStateStore<IpAddr>>);

impl StateStore for States {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, key: &IpAddr, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for States {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.as_ref().retain_recent(drop_below);
    }

    fn len(&self) -> usize {
        self.0.as_ref().len()
    }

    fn is_empty(&self) -> bool {
        self.0.as_ref().is_empty()
    }
}

impl RateLimit {
    /// A limit of `per_minute` requests for each network.
    pub fn new(per_minute: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let (quota, time) = (Quota::per_minute(per_minute), ServiceTime(clock));
        let states = States::default();
        Self {
            calls: RateLimiter::new(quota, states.clone(), time.clone()),
            states,
            quota,
            time,
            unsent: None,
        }
    }

    /// A limit for several processes that exchange their counts by [`RateLimit::take_unsent`] and
    /// [`RateLimit::count_elsewhere`].
    #[must_use]
    pub fn among_others(mut self) -> Self {
        self.unsent = Some(Mutex::default());
        self
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The limit is exceeded; a retry can succeed after this time.
    pub fn count(&self, caller: IpAddr) -> Result<(), Duration> {
        let network = network_of(caller);
        self.check(network)?;
        if let Some(mut unsent) = self.unsent()
            && (unsent.len() < REMEMBERED || unsent.contains_key(&network))
        {
            let calls = unsent.entry(network).or_default();
            *calls = calls.saturating_add(1);
        }
        Ok(())
    }

    /// Takes the networks with the most requests that were not sent to other processes, with their
    /// counts. Networks over the maximum keep their counts until a later call.
    pub fn take_unsent(&self, most: usize) -> Vec<(IpAddr, u32)> {
        let Some(mut unsent) = self.unsent() else {
            return Vec::new();
        };
        let calls = unsent.iter().map(|(network, calls)| (*network, *calls));
        let mut largest: Vec<_> = calls.collect();
        largest.sort_unstable_by_key(|(_, calls)| Reverse(*calls));
        largest.truncate(most);
        for (network, _) in &largest {
            unsent.remove(network);
        }
        largest
    }

    /// Drops the counts for other processes, because there are none.
    pub fn forget_unsent(&self) {
        if let Some(mut unsent) = self.unsent() {
            unsent.clear();
        }
    }

    /// Counts requests that another process has allowed. If both processes together allowed more
    /// than the limit, the network waits until time has compensated for it.
    pub fn count_elsewhere(&self, network: IpAddr, calls: u32) {
        let network = network_of(network);
        // No process allows more between two messages. A larger number is a mistake, which must not
        // block a network for hours.
        let most = self.quota.burst_size().get().saturating_mul(2);
        let calls = calls.min(most);
        if calls == 0 {
            return;
        }
        // The first request reads the limiter's time; the others are added to it, over the limit if
        // necessary.
        let counted = self.check(network).is_ok();
        let rest = calls - u32::from(counted);
        let interval = Nanos::from(self.quota.replenish_interval());
        let added: Result<(), Infallible> = self.states.measure_and_replace(&network, |full_at| {
            let full_at = full_at.unwrap_or_default();
            Ok(((), full_at + interval * u64::from(rest)))
        });
        match added {
            Ok(()) => {}
        }
    }

    fn check(&self, network: IpAddr) -> Result<(), Duration> {
        if self.calls.len() > REMEMBERED {
            self.calls.retain_recent();
        }
        let now = governor::clock::Clock::now(&self.time);
        self.calls
            .check_key(&network)
            .map_err(|not_until| not_until.wait_time_from(now))
    }

    fn unsent(&self) -> Option<MutexGuard<'_, HashMap<IpAddr, u32>>> {
        let unsent = self.unsent.as_ref()?;
        Some(unsent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;

    fn limit(per_minute: u32, clock: &Arc<TestClock>) -> RateLimit {
        RateLimit::new(NonZeroU32::new(per_minute).unwrap(), clock.clone())
    }

    #[test]
    fn a_callers_allowance_returns_with_time_and_does_not_depend_on_other_callers() {
        let clock = Arc::new(TestClock::at(1_000));
        let limits = limit(3, &clock);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..3 {
            limits.count(one).unwrap();
        }
        assert_eq!(limits.count(one), Err(Duration::from_secs(20)));
        limits.count(other).unwrap();
        clock.advance_to(1_020);
        limits.count(one).unwrap();
        assert!(limits.count(one).is_err());
    }

    /// Sends each process as many requests as it allows, second by second, and exchanges the counts
    /// at the end of each second. Returns the number of allowed requests.
    fn hammered(processes: usize, seconds: u64, per_minute: u32) -> u32 {
        let clock = Arc::new(TestClock::at(1_000));
        let all: Vec<_> = (0..processes)
            .map(|_| limit(per_minute, &clock).among_others())
            .collect();
        let caller = IpAddr::from([10, 0, 0, 1]);
        let mut through = 0;
        for second in 0..seconds {
            clock.advance_to(1_000 + second);
            for one in &all {
                while one.count(caller).is_ok() {
                    through += 1;
                }
            }
            let told: Vec<_> = all.iter().map(|one| one.take_unsent(10)).collect();
            for (from, told) in told.iter().enumerate() {
                for (to, one) in all.iter().enumerate().filter(|(to, _)| *to != from) {
                    assert_ne!(from, to);
                    for (network, calls) in told {
                        one.count_elsewhere(*network, *calls);
                    }
                }
            }
        }
        through
    }

    #[test]
    fn a_caller_that_uses_all_processes_gets_the_same_rate_as_at_one() {
        // A burst of 60, and one request per second.
        assert_eq!(hammered(1, 600, 60), 60 + 599);
        // Each process allows its burst before it has the others' counts; later waits compensate
        // for that.
        for processes in [2, 3, 5] {
            let through = hammered(processes, 600, 60);
            let bound = 60 + 599 + u32::try_from(processes).unwrap();
            assert!((659..=bound).contains(&through), "{processes}: {through}");
        }
    }

    #[test]
    fn calls_of_other_processes_count_and_are_not_sent_back() {
        let clock = Arc::new(TestClock::at(1_000));
        let limits = limit(60, &clock).among_others();
        let (one, other) = ("2001:db8:1:2::9", "2001:db8:1:3::");
        let [one, other] = [one, other].map(|text| text.parse::<IpAddr>().unwrap());
        limits.count_elsewhere(network_of(one), 59);
        limits.count(one).unwrap();
        assert_eq!(limits.count(one), Err(Duration::from_secs(1)));
        limits.count(other).unwrap();
        limits.count_elsewhere(network_of(one), 30);
        assert_eq!(limits.count(one), Err(Duration::from_secs(31)));
        limits.count_elsewhere(other, u32::MAX);
        assert_eq!(limits.count(other), Err(Duration::from_secs(62)));
        let mut told = limits.take_unsent(10);
        told.sort();
        assert_eq!(told, [(network_of(one), 1), (other, 1)]);
        assert_eq!(limits.take_unsent(10), []);
    }

    #[test]
    fn networks_with_the_most_calls_are_sent_first_and_the_others_are_kept() {
        let clock = Arc::new(TestClock::at(1_000));
        let limits = limit(60, &clock).among_others();
        let caller = |last: u8| IpAddr::from([10, 0, 0, last]);
        for last in 1..=4 {
            for _ in 0..last {
                limits.count(caller(last)).unwrap();
            }
        }
        assert_eq!(limits.take_unsent(2), [(caller(4), 4), (caller(3), 3)]);
        assert_eq!(limits.take_unsent(2), [(caller(2), 2), (caller(1), 1)]);
        limits.count(caller(1)).unwrap();
        limits.forget_unsent();
        assert_eq!(limits.take_unsent(2), []);
        // A single process stores no counts for others.
        let alone = limit(60, &clock);
        alone.count(caller(1)).unwrap();
        assert_eq!(alone.take_unsent(2), []);
    }
}
