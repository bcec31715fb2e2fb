//! The brake on work that was not paid for. A machine runs before its money moves, so a customer whose settlement is refused has
//! had it for nothing: a wallet and an address for which that happened wait longer each time before the next one is made, and
//! all replicas together make only so many at a time (`MAX_UNPAID_LEASES`), of which half are for wallets that have paid before.
//!
//! The counts are in the store, since replicas share them and a restart must not forget them; they are written once per
//! machine that was not paid, and read in the claim's transaction. [`FailedPayments`] is in memory: what it limits, payments
//! that the facilitator refuses, leaves no machine behind and comes too often for a row each. Replicas tell each other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api_types::ErrorCode;
use service::{
    caller::{RateLimit, network_of},
    clock::Clock,
};

use crate::error::ApiError;

/// Seconds of the first pause; each further one is twice as long, up to an hour.
const FIRST_PAUSE: i64 = 30;
const LONGEST_PAUSE: i64 = 3600;
/// Seconds without another unpaid machine after which those before are forgotten.
pub const FORGET_AFTER: i64 = 24 * 3600;
/// Blocked addresses that are remembered before those whose time is over are dropped.
const REMEMBERED: usize = 10_000;

/// For whom unpaid machines are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A wallet.
    Payer,
    /// A network address, which several customers may share.
    Client,
}

impl Subject {
    /// The name in the store and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payer => "payer",
            Self::Client => "client",
        }
    }

    /// Unpaid machines that may be an honest mistake, and bring no pause.
    fn excused(self) -> u32 {
        match self {
            Self::Payer => 1,
            Self::Client => 3,
        }
    }

    /// Seconds to wait after so many unpaid machines.
    pub fn pause(self, unpaid: u32) -> i64 {
        let Some(doublings) = unpaid.checked_sub(self.excused() + 1) else {
            return 0;
        };
        let longest = LONGEST_PAUSE.ilog2();
        (FIRST_PAUSE << doublings.min(longest)).min(LONGEST_PAUSE)
    }
}

/// Unpaid machines that a wallet may bring the total to: the last half is for wallets that have paid before, so that fresh
/// wallets cannot keep customers out.
pub fn most_unpaid(most: u32, has_paid: bool) -> u32 {
    if has_paid { most } else { most - most / 2 }
}

/// A rate limit on payments that were looked at in vain, by the client's address. It lets an address go on until it has
/// failed too often, and then waits; a valid payment is never counted.
pub struct FailedPayments {
    limit: RateLimit,
    /// Until when a network waits, in Unix milliseconds.
    blocked: Mutex<HashMap<IpAddr, u64>>,
    clock: Arc<dyn Clock>,
}

impl FailedPayments {
    /// This limit on failures.
    pub fn new(limit: RateLimit, clock: Arc<dyn Clock>) -> Self {
        Self {
            limit,
            blocked: Mutex::default(),
            clock,
        }
    }

    /// The counts to exchange with other replicas.
    pub fn rate(&self) -> &RateLimit {
        &self.limit
    }

    /// Whether a client may try a payment now; calls of unknown address are not counted here.
    ///
    /// # Errors
    /// Too many of its payments failed.
    pub fn check(&self, client: Option<IpAddr>) -> Result<(), ApiError> {
        let Some(client) = client.map(network_of) else {
            return Ok(());
        };
        let now = self.clock.unix_millis();
        let until = self.blocked().get(&client).copied().unwrap_or_default();
        if until <= now {
            return Ok(());
        }
        let message = "Too many payments from your address failed; nothing was charged.";
        let seconds = (until - now).div_ceil(1000);
        Err(ApiError::new(ErrorCode::RateLimited, message).retry_after(seconds))
    }

    /// Counts a payment that was refused.
    pub fn count(&self, client: Option<IpAddr>) {
        let Some(client) = client.map(network_of) else {
            return;
        };
        let Err(wait) = self.limit.count(client) else {
            return;
        };
        metrics::counter!("payment_failures_limited_total").increment(1);
        let now = self.clock.unix_millis();
        let mut blocked = self.blocked();
        if blocked.len() >= REMEMBERED {
            blocked.retain(|_, until| *until > now);
        }
        let wait = wait.max(Duration::from_secs(1));
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        blocked.insert(client, now.saturating_add(millis));
    }

    fn blocked(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use service::clock::TestClock;

    use super::*;

    #[test]
    fn each_unpaid_machine_after_the_excused_ones_doubles_the_pause() {
        let pauses =
            |subject: Subject| [0, 1, 2, 3, 4, 5, 9, 40, u32::MAX].map(|n| subject.pause(n));
        let payer = [0, 0, 30, 60, 120, 240, 3600, 3600, 3600];
        assert_eq!(pauses(Subject::Payer), payer);
        let client = [0, 0, 0, 0, 30, 60, 960, 3600, 3600];
        assert_eq!(pauses(Subject::Client), client);
    }

    #[test]
    fn half_of_the_room_is_for_wallets_that_have_paid() {
        assert_eq!((most_unpaid(32, true), most_unpaid(32, false)), (32, 16));
        // With room for one, everybody may have it.
        assert_eq!((most_unpaid(1, true), most_unpaid(1, false)), (1, 1));
        assert_eq!((most_unpaid(3, true), most_unpaid(3, false)), (3, 2));
    }

    #[test]
    fn an_address_whose_payments_fail_waits_and_others_do_not() {
        let clock = Arc::new(TestClock::at(1_000));
        let limit = RateLimit::new(NonZeroU32::new(3).unwrap(), clock.clone());
        let failed = FailedPayments::new(limit, clock.clone());
        let client = Some(IpAddr::from([10, 0, 0, 1]));
        for _ in 0..3 {
            failed.count(client);
            failed.check(client).unwrap();
        }
        failed.count(client);
        let refused = failed.check(client).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert_eq!(refused.retry_after, Some(20));
        failed.check(Some(IpAddr::from([10, 0, 0, 2]))).unwrap();
        failed.check(None).unwrap();
        clock.advance_to(1_020);
        failed.check(client).unwrap();
    }
}
