//! Warnings before a lease expires: one when a fifth of its time is left, one when a twentieth is.
//! After a renewal the warnings come again, for the new expiry.

use std::collections::BTreeSet;

use api_types::LeaseView;

use super::clock::{Urgency, read_meter};

/// The warnings that were shown.
#[derive(Debug, Default)]
pub struct ExpiryWarnings {
    shown: BTreeSet<(String, u64, &'static str)>,
}

/// A lease that expires soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// The container's name.
    pub hostname: String,
    /// The remaining seconds.
    pub seconds: u64,
}

impl ExpiryWarnings {
    /// The warnings that are due at a time, in Unix seconds. Each is returned once.
    pub fn due(&mut self, leases: &[LeaseView], now: u64) -> Vec<ExpiryWarning> {
        let mut due = Vec::new();
        for lease in leases {
            let meter = read_meter(lease, now);
            let is_ending = matches!(meter.urgency, Urgency::Soon | Urgency::Critical);
            let Some(until) = meter.until.filter(|_| is_ending) else {
                continue;
            };
            let key = (lease.lease_id.clone(), until.unix(), meter.urgency.name());
            if self.shown.insert(key) {
                due.push(ExpiryWarning {
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
    use crate::state::lease::clock::tests::lease;

    #[test]
    fn each_expiry_has_two_warnings() {
        let mut lease = lease("active");
        let start = lease.created_at.unix();
        let none: [u64; 0] = [];
        let mut warnings = ExpiryWarnings::default();
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
    fn an_expired_lease_has_no_warning() {
        let stopped = lease("stopped");
        let mut warnings = ExpiryWarnings::default();
        let now = stopped.created_at.unix() + 5_000;
        assert!(warnings.due(&[stopped], now).is_empty());
    }
}
