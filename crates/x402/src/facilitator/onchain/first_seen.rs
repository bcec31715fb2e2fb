//! Which authorizations were found unspent, and when: a transfer that came after that was made for
//! the payment, whoever sent it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::sent::PaymentKey;

/// Longer than an authorization may be good for.
const KEPT: Duration = Duration::from_secs(3600);
/// Payments that are remembered; beyond these the oldest is forgotten.
const MAX_PAYMENTS: usize = 10_000;

/// The blocks in which authorizations were unspent.
#[derive(Default)]
pub(super) struct FirstSeen(Mutex<HashMap<PaymentKey, (u64, Instant)>>);

impl FirstSeen {
    fn all(&self) -> MutexGuard<'_, HashMap<PaymentKey, (u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the authorization is unspent in this block; the first block stays.
    pub(super) fn record(&self, payment: &PaymentKey, block: u64, now: Instant) {
        let mut all = self.all();
        all.retain(|_, (_, at)| now.duration_since(*at) < KEPT);
        if all.len() >= MAX_PAYMENTS && !all.contains_key(payment) {
            let oldest = all.iter().min_by_key(|(_, (_, at))| *at);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                all.remove(&key);
            }
        }
        all.entry(payment.clone()).or_insert((block, now));
    }

    /// The block in which it was first found unspent.
    pub(super) fn block(&self, payment: &PaymentKey) -> Option<u64> {
        self.all().get(payment).map(|(block, _)| *block)
    }
}
