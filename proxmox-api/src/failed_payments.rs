//! The rate limit on payments that fail. It is in memory: a payment that the facilitator refuses
//! leaves no container behind and comes too often for a row each. Replicas exchange their counts.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api_types::ErrorCode;
use service::{
    caller::{RateLimit, network_of},
    clock::Clock,
};

use crate::error::ApiError;

/// Blocked addresses above which expired ones are dropped.
const MAX_BLOCKED: usize = 10_000;

/// The rate limit on failed payments, by the client's address. An address with too many failures
/// has to wait; a valid payment is never counted.
pub struct FailedPayments {
    limit: RateLimit,
    /// Until when a network has to wait, in Unix milliseconds.
    blocked: Mutex<HashMap<IpAddr, u64>>,
    clock: Arc<dyn Clock>,
}

impl FailedPayments {
    /// A limit with nothing counted yet.
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

    /// Whether a client may try a payment now; requests of unknown address always may.
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
        if blocked.len() >= MAX_BLOCKED {
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
    fn an_address_with_too_many_failed_payments_waits() {
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
