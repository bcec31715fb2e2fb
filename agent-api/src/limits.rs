//! The rate limit of `/chat` for each network, and the concurrency limits of turns for each network
//! and for all. A turn asks a language model, which costs money for each token, so callers without
//! a wallet need a limit. Callers are identified by address, never by a wallet that a request
//! names.

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

/// The limits as configured.
#[derive(Debug, Clone, Copy)]
pub struct ChatLimitSettings {
    /// Requests per minute of one network: `CHAT_CALLS_PER_MINUTE`.
    pub calls_per_minute: NonZeroU32,
    /// Concurrent turns in total: `CHAT_TURNS_AT_A_TIME`.
    pub turns: usize,
    /// Concurrent turns of one network: `CHAT_TURNS_PER_ADDRESS`.
    pub turns_per_address: usize,
}

/// Why a turn may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatLimitExceeded {
    /// Too many calls; a retry can succeed after this time.
    TooMany(Duration),
    /// The network has reached its limit of concurrent turns.
    AtATime,
    /// The service has reached its limit of concurrent turns.
    Full,
}

/// The limits and what counts against them.
pub struct ChatLimits {
    allowed: ChatLimitSettings,
    calls: RateLimit,
    /// Running turns by network; networks without one have no entry.
    turns: Mutex<HashMap<IpAddr, usize>>,
}

/// The permit for one turn, released when it is dropped.
pub struct TurnPermit {
    limits: Arc<ChatLimits>,
    network: IpAddr,
}

impl ChatLimits {
    /// Limits with nothing counted yet.
    pub fn new(allowed: ChatLimitSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            calls: RateLimit::new(allowed.calls_per_minute, clock),
            allowed,
            turns: Mutex::default(),
        }
    }

    /// Counts a call of this address and gives it a permit for a turn.
    ///
    /// # Errors
    /// The limit that is exceeded.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<TurnPermit, ChatLimitExceeded> {
        self.calls
            .count(address)
            .map_err(ChatLimitExceeded::TooMany)?;
        let network = network_of(address);
        let mut turns = self.turns();
        if turns.values().sum::<usize>() >= self.allowed.turns {
            return Err(ChatLimitExceeded::Full);
        }
        let own = turns.entry(network).or_default();
        if *own >= self.allowed.turns_per_address {
            return Err(ChatLimitExceeded::AtATime);
        }
        *own += 1;
        drop(turns);
        Ok(TurnPermit {
            limits: Arc::clone(self),
            network,
        })
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TurnPermit {
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
    fn a_permit_is_released_when_its_turn_ends_and_leaves_no_entry() {
        let allowed = ChatLimitSettings {
            calls_per_minute: NonZeroU32::new(100).unwrap(),
            turns: 3,
            turns_per_address: 2,
        };
        let limits = Arc::new(ChatLimits::new(allowed, Arc::new(TestClock::at(1_000))));
        let admit = |address: &str| limits.admit(address.parse().unwrap());
        let (one, two) = (admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap());
        assert_eq!(admit("2001:db8::3").err(), Some(ChatLimitExceeded::AtATime));
        let three = admit("10.0.0.1").unwrap();
        assert_eq!(admit("10.0.0.2").err(), Some(ChatLimitExceeded::Full));
        drop(one);
        let four = admit("2001:db8::3").unwrap();
        drop((two, three, four));
        assert!(limits.turns().is_empty());
    }
}
