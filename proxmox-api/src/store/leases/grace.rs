//! How long the data of a lease is kept after its end. A purchase keeps it for as long as it
//! bought, and never longer than the operator's `LEASE_GRACE_MINUTES`: else a minute's price keeps
//! a disk and a number for a day.

use crate::ids::Minutes;

/// When a lease is destroyed after a purchase of `minutes` that moves its end to `end`: never
/// before `old`, which earlier purchases have earned. Unix seconds.
pub fn destroy_at(old: Option<i64>, end: i64, minutes: Minutes, most_seconds: i64) -> i64 {
    let earned = end + most_seconds.min(minutes.seconds());
    old.map_or(earned, |old| old.max(earned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    #[test]
    fn a_purchase_keeps_the_data_for_as_long_as_it_bought() {
        assert_eq!(destroy_at(None, 1_000, Minutes(1), DAY), 1_060);
        assert_eq!(destroy_at(None, 1_000, Minutes(60), DAY), 4_600);
        assert_eq!(
            destroy_at(None, 1_000, Minutes(30 * 24 * 60), DAY),
            1_000 + DAY
        );
        assert_eq!(destroy_at(None, 1_000, Minutes(60), 0), 1_000);
    }

    #[test]
    fn a_renewal_takes_away_nothing_that_was_earned() {
        // Half way through a day's grace, a minute moves the end and keeps the day.
        assert_eq!(destroy_at(Some(DAY), DAY / 2 + 60, Minutes(1), DAY), DAY);
        // At its end a minute a day adds a minute, twice.
        assert_eq!(destroy_at(Some(DAY), DAY + 50, Minutes(1), DAY), DAY + 110);
    }
}
