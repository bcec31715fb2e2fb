//! How much of `/chat` one caller may have, and all of them together: calls a minute for each
//! network, and turns at a time. A turn asks a language model, which costs money for each word, so
//! a stranger without a wallet must not have it without end. Callers are told apart by address,
//! never by a wallet that a request names.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service::{
    caller::{RateLimit, network_of},
    clock::Clock,
};

/// What the configuration allows.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Calls a minute of one network: `CHAT_CALLS_PER_MINUTE`.
    pub calls_per_minute: NonZeroU32,
    /// Turns at a time of all: `CHAT_TURNS_AT_A_TIME`.
    pub turns: usize,
    /// Turns at a time of one network: `CHAT_TURNS_PER_ADDRESS`.
    pub turns_per_address: usize,
}

/// Why a turn may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many calls; worth another try after this time.
    TooMany(Duration),
    /// The network has as many turns at a time as it may have.
    AtATime,
    /// All turns are taken.
    Full,
}

/// The limits and what counts against them.
pub struct Limits {
    allowed: Allowed,
    calls: RateLimit,
    /// Turns at a time, by network; nothing is kept of those without.
    turns: Mutex<HashMap<IpAddr, usize>>,
}

/// The right to one turn, until it is dropped.
pub struct Seat {
    limits: Arc<Limits>,
    network: IpAddr,
}

impl Limits {
    /// With nothing counted yet.
    pub fn new(allowed: Allowed, clock: Arc<dyn Clock>) -> Self {
        Self {
            calls: RateLimit::new(allowed.calls_per_minute, clock),
            allowed,
            turns: Mutex::default(),
        }
    }

    /// Counts a call of this address and gives it a turn.
    ///
    /// # Errors
    /// Why it gets none.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Seat, Refused> {
        self.calls.count(address).map_err(Refused::TooMany)?;
        let network = network_of(address);
        let mut turns = self.turns();
        if turns.values().sum::<usize>() >= self.allowed.turns {
            return Err(Refused::Full);
        }
        let own = turns.entry(network).or_default();
        if *own >= self.allowed.turns_per_address {
            return Err(Refused::AtATime);
        }
        *own += 1;
        drop(turns);
        Ok(Seat {
            limits: Arc::clone(self),
            network,
        })
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut turns = self.limits.turns();
        if let Some(own) = turns.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                turns.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use service::clock::TestClock;

    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_turn_ends_and_nothing_is_kept_of_it() {
        let allowed = Allowed {
            calls_per_minute: NonZeroU32::new(100).unwrap(),
            turns: 3,
            turns_per_address: 2,
        };
        let limits = Arc::new(Limits::new(allowed, Arc::new(TestClock::at(1_000))));
        let admit = |address: &str| limits.admit(address.parse().unwrap());
        let (one, two) = (admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap());
        assert_eq!(admit("2001:db8::3").err(), Some(Refused::AtATime));
        let three = admit("10.0.0.1").unwrap();
        assert_eq!(admit("10.0.0.2").err(), Some(Refused::Full));
        drop(one);
        let four = admit("2001:db8::3").unwrap();
        drop((two, three, four));
        assert!(limits.turns().is_empty());
    }
}
