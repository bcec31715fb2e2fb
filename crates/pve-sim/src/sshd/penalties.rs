//! The penalties of OpenSSH 9.8 and later for addresses that fail to log in: each failure adds
//! time, and an address that has collected more than fifteen seconds is turned away until they
//! are over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// `PerSourcePenalties authfail`.
const WRONG_KEY: Duration = Duration::from_secs(5);
/// `PerSourcePenalties noauth`: a connection that ended before a login was tried.
const NO_LOGIN: Duration = Duration::from_secs(1);
/// `PerSourcePenalties min`.
const ENFORCED_FROM: Duration = Duration::from_secs(15);
/// `PerSourcePenalties max`.
const LONGEST: Duration = Duration::from_secs(600);

/// How a connection that was not logged in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    WrongKey,
    NoLogin,
}

#[derive(Debug, Clone, Copy)]
struct Penalty {
    until: Instant,
    /// It stays in force until its end once it is.
    enforced: bool,
}

/// The penalties of all addresses.
#[derive(Debug, Default)]
pub(super) struct Penalties(Mutex<HashMap<IpAddr, Penalty>>);

impl Penalties {
    /// Whether the address is turned away.
    pub(super) fn forbid(&self, address: IpAddr, now: Instant) -> bool {
        let mut all = self.all();
        all.retain(|_, penalty| penalty.until > now);
        all.get(&address).is_some_and(|penalty| penalty.enforced)
    }

    /// Adds the time of a failure.
    pub(super) fn add(&self, address: IpAddr, failure: Failure, now: Instant) {
        let time = match failure {
            Failure::WrongKey => WRONG_KEY,
            Failure::NoLogin => NO_LOGIN,
        };
        let mut all = self.all();
        all.retain(|_, penalty| penalty.until > now);
        let penalty = all.entry(address).or_insert(Penalty {
            until: now,
            enforced: false,
        });
        penalty.until = (penalty.until + time).min(now + LONGEST);
        penalty.enforced |= penalty.until > now + ENFORCED_FROM;
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Penalty>> {
        self.0.lock().expect("no code panics while it holds this")
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn four_wrong_keys_or_sixteen_bare_connections_ban_an_address_until_the_time_is_over() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let other = IpAddr::from(Ipv4Addr::new(10, 0, 0, 1));
        for (failure, needed, time) in [(Failure::WrongKey, 4, 20), (Failure::NoLogin, 16, 16)] {
            let penalties = Penalties::default();
            let now = Instant::now();
            for count in 1..=needed {
                assert!(!penalties.forbid(here, now), "{failure:?} {count}");
                penalties.add(here, failure, now);
            }
            let after = |seconds| now + Duration::from_secs(seconds);
            assert!(penalties.forbid(here, now) && penalties.forbid(here, after(time - 1)));
            assert!(!penalties.forbid(other, now));
            assert!(!penalties.forbid(here, after(time)));
        }
    }
}
