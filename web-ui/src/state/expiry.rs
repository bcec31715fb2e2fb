//! Warnings before a lease ends: one when a fifth of its time is left, one when a twentieth is. A renewed lease is
//! warned of anew, since its end is another.

use std::collections::BTreeSet;

use api_types::LeaseView;

use super::lease_clock::{Urgency, read};

/// What has been warned of.
#[derive(Debug, Default)]
pub struct Warnings {
    told: BTreeSet<(String, u64, &'static str)>,
}

/// A lease that ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Its name.
    pub hostname: String,
    /// Seconds that are left.
    pub seconds: u64,
}

impl Warnings {
    /// What has to be said now, in Unix seconds; each thing once.
    pub fn due(&mut self, leases: &[LeaseView], now: u64) -> Vec<Warning> {
        let mut due = Vec::new();
        for lease in leases {
            let reading = read(lease, now);
            let ends = matches!(reading.urgency, Urgency::Soon | Urgency::Critical);
            let Some(until) = reading.until.filter(|_| ends) else {
                continue;
            };
            let key = (lease.lease_id.clone(), until.unix(), reading.urgency.name());
            if self.told.insert(key) {
                due.push(Warning {
                    hostname: lease.hostname.clone(),
                    seconds: until.unix().saturating_sub(now),
                });
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use api_types::Timestamp;

    use super::*;
    use crate::state::lease_clock::tests::lease;

    #[test]
    fn each_end_is_warned_of_twice_and_never_again() {
        let mut lease = lease("active");
        let start = lease.created_at.unix();
        let none: [u64; 0] = [];
        let mut warnings = Warnings::default();
        let mut at = |lease: &LeaseView, second| {
            let due = warnings.due(std::slice::from_ref(lease), start + second);
            due.iter()
                .map(|warning| warning.seconds)
                .collect::<Vec<_>>()
        };
        assert_eq!(at(&lease, 600), none);
        assert_eq!(at(&lease, 2_900), [700]);
        assert_eq!(at(&lease, 2_901), none);
        assert_eq!(at(&lease, 3_500), [100]);
        assert_eq!(at(&lease, 3_590), none);

        lease.expires_at = Some(Timestamp(start + 36_000));
        assert_eq!(at(&lease, 3_600), none);
        assert_eq!(at(&lease, 35_000), [1_000]);
    }

    #[test]
    fn nobody_is_warned_of_what_is_over() {
        let stopped = lease("stopped");
        let mut warnings = Warnings::default();
        let now = stopped.created_at.unix() + 5_000;
        assert!(warnings.due(&[stopped], now).is_empty());
    }
}
