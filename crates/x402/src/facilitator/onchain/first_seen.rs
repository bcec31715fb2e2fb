//! Records in which block an authorization was first found unspent. A transfer after that block was
//! made for the payment, by any sender.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::sent::PaymentKey;

/// Longer than the maximum validity of an authorization.
const KEPT: Duration = Duration::from_secs(3600);
/// The maximum number of payments; beyond it the oldest is forgotten.
const MAX_PAYMENTS: usize = 10_000;

/// The blocks in which authorizations were first found unspent.
#[derive(Default)]
pub(super) struct FirstSeen(Mutex<HashMap<PaymentKey, (u64, Instant)>>);

impl FirstSeen {
    fn all(&self) -> MutexGuard<'_, HashMap<PaymentKey, (u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the authorization is unspent in this block; the first recorded block is kept.
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

    /// The block in which the authorization was first found unspent.
    pub(super) fn block(&self, payment: &PaymentKey) -> Option<u64> {
        self.all().get(payment).map(|(block, _)| *block)
    }
}
