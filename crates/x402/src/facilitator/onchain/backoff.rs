//! A backoff for payers whose settlements revert. Each revert costs the gas key and pays nothing,
//! so the payer's next payment is refused for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};

/// The first pause; it doubles with each further revert.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The maximum number of payers. Beyond it, the payer whose pause ends first is forgotten.
const MAX_PAYERS: usize = 10_000;

/// The payers that have to wait.
#[derive(Default)]
pub(super) struct Backoff(Mutex<HashMap<Address, PayerPause>>);

struct PayerPause {
    /// The last transaction that reverted. Every copy of its settlement sees it again, so it counts
    /// once.
    transaction: B256,
    length: Duration,
    until: Instant,
}

impl Backoff {
    fn pauses(&self) -> MutexGuard<'_, HashMap<Address, PayerPause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a reverted transaction of the payer.
    pub(super) fn reverted(&self, payer: Address, transaction: B256, now: Instant) {
        let mut pauses = self.pauses();
        // A payer without a revert for as long as the longest pause is forgotten.
        pauses.retain(|_, pause| now < pause.until + LONGEST_PAUSE);
        let length = match pauses.get(&payer) {
            Some(last) if last.transaction == transaction => return,
            Some(last) => (last.length * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        if pauses.len() >= MAX_PAYERS {
            let soonest = pauses.iter().min_by_key(|(_, pause)| pause.until);
            if let Some(address) = soonest.map(|(address, _)| *address) {
                pauses.remove(&address);
            }
        }
        let pause = PayerPause {
            transaction,
            length,
            until: now + length,
        };
        pauses.insert(payer, pause);
    }

    /// The time that the payer still has to wait.
    pub(super) fn remaining(&self, payer: Address, now: Instant) -> Option<Duration> {
        let until = self.pauses().get(&payer)?.until;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_end_and_count_each_transaction_once() {
        let (backoff, start) = (Backoff::default(), Instant::now());
        let payer = Address::repeat_byte(1);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(backoff.remaining(payer, start), None);
        for _ in 0..2 {
            backoff.reverted(payer, B256::repeat_byte(1), start);
            assert_eq!(backoff.remaining(payer, start), Some(FIRST_PAUSE));
        }
        assert_eq!(backoff.remaining(payer, after(60)), None);
        backoff.reverted(payer, B256::repeat_byte(2), after(60));
        let left = backoff.remaining(payer, after(61));
        assert_eq!(left, Some(Duration::from_secs(119)));
        assert_eq!(backoff.remaining(Address::repeat_byte(2), after(61)), None);
        for number in 3..20 {
            backoff.reverted(payer, B256::repeat_byte(number), after(100));
        }
        assert_eq!(backoff.remaining(payer, after(100)), Some(LONGEST_PAUSE));
        backoff.reverted(payer, B256::repeat_byte(20), after(100 + 7_200));
        assert_eq!(backoff.remaining(payer, after(7_300)), Some(FIRST_PAUSE));
    }

    #[test]
    fn the_number_of_payers_is_bounded() {
        let (backoff, start) = (Backoff::default(), Instant::now());
        for number in 0..=u64::try_from(MAX_PAYERS).unwrap() {
            let payer = Address::left_padding_from(&number.to_be_bytes());
            backoff.reverted(payer, B256::ZERO, start + Duration::from_millis(number));
        }
        assert_eq!(backoff.pauses().len(), MAX_PAYERS);
        assert_eq!(backoff.remaining(Address::ZERO, start), None);
    }
}
