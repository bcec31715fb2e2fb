//! A summary of a wallet's leases in one line; and when a sheet that is pulled down closes.

use api_types::{LeaseStatus, LeaseView};

use super::clock::{Urgency, is_off, is_unreachable, read_meter};
use crate::{format::duration, text::leases};

/// A summary of a wallet's leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseSummary {
    /// Containers with paid time left, running or stopped.
    pub paid: usize,
    /// Seconds until the first of them expires.
    pub left: Option<u64>,
    /// The urgency of that one.
    pub urgency: Urgency,
    /// How many of them are stopped.
    pub off: usize,
    /// How many of them are unreachable at the moment.
    pub unreachable: usize,
    /// Expired containers within their grace.
    pub expired: usize,
    /// Containers that are being created.
    pub in_creation: usize,
}

impl LeaseSummary {
    /// The summary at a time, in Unix seconds; none if there are no such leases.
    pub fn at(leases: &[LeaseView], now: u64) -> Option<Self> {
        let mut summary = Self {
            paid: 0,
            left: None,
            urgency: Urgency::None,
            off: 0,
            unreachable: 0,
            expired: 0,
            in_creation: 0,
        };
        for lease in leases {
            let meter = read_meter(lease, now);
            match lease.status {
                LeaseStatus::Provisioning | LeaseStatus::Settling | LeaseStatus::Reconciling => {
                    summary.in_creation += 1;
                }
                LeaseStatus::Undoing | LeaseStatus::Destroyed => {}
                LeaseStatus::Active if meter.urgency != Urgency::Over => {
                    summary.paid += 1;
                    summary.off += usize::from(is_off(lease));
                    summary.unreachable += usize::from(is_unreachable(lease));
                    let left = meter.until.map(|until| until.unix().saturating_sub(now));
                    if let Some(left) = left
                        && summary.left.is_none_or(|first| left < first)
                    {
                        summary.left = Some(left);
                        summary.urgency = meter.urgency;
                    }
                }
                LeaseStatus::Active | LeaseStatus::Expiring | LeaseStatus::Stopped => {
                    summary.expired += 1;
                }
            }
        }
        (summary.count() > 0).then_some(summary)
    }

    fn count(&self) -> usize {
        self.paid + self.expired + self.in_creation
    }

    /// The summary as text.
    pub fn words(&self) -> String {
        let mut all = vec![leases::containers(self.count())];
        if let Some(left) = self.left {
            // Seconds matter only in the last minute.
            let left = duration(if left < 60 { left } else { left - left % 60 });
            all.push(match self.paid {
                1 => leases::time_left(&left),
                _ => leases::first_ends(&left),
            });
        }
        for (some, state) in [
            (self.off, leases::SUMMARY_OFF),
            (self.unreachable, leases::SUMMARY_UNREACHABLE),
            (self.expired, leases::SUMMARY_EXPIRED),
            (self.in_creation, leases::SUMMARY_IN_CREATION),
        ] {
            if some == self.count() {
                all.push(state.to_owned());
            } else if some > 0 {
                all.push(leases::some(some, state));
            }
        }
        all.join(" · ")
    }
}

/// A sheet that is pulled down by this share of its height closes.
const FAR: f64 = 0.3;
/// A sheet also closes if it is pulled by more pixels than the first number, at more pixels per
/// millisecond than the second.
const FLICK: (f64, f64) = (32.0, 0.5);

/// Whether a sheet closes that was pulled down by some pixels within some milliseconds and
/// released.
pub fn is_dismissed(pulled: f64, height: f64, milliseconds: f64) -> bool {
    let (distance, speed) = FLICK;
    pulled > height * FAR || (pulled > distance && pulled > speed * milliseconds)
}

#[cfg(test)]
mod tests {
    use api_types::Timestamp;

    use super::*;
    use crate::state::lease::clock::tests::lease;

    fn line(leases: &[LeaseView], second: u64) -> Option<String> {
        let now = lease("active").created_at.unix() + second;
        LeaseSummary::at(leases, now).map(|summary| summary.words())
    }

    #[test]
    fn one_line_has_the_number_and_the_next_expiry() {
        let (one, mut later) = (lease("active"), lease("active"));
        later.expires_at = one.expires_at.map(|end| Timestamp(end.unix() + 600));
        let off = LeaseView {
            live_status: Some("stopped".into()),
            ..later.clone()
        };
        let unseen = LeaseView {
            live_status: None,
            ..one.clone()
        };
        for (leases, words) in [
            (vec![one.clone()], "1 container · 23 min left"),
            (
                vec![unseen.clone()],
                "1 container · 23 min left · not reachable",
            ),
            (
                vec![one.clone(), unseen],
                "2 containers · first ends in 23 min · 1 not reachable",
            ),
            (
                vec![later.clone(), one.clone()],
                "2 containers · first ends in 23 min",
            ),
            (vec![off.clone()], "1 container · 33 min left · stopped"),
            (
                vec![one.clone(), off, lease("stopped"), lease("settling")],
                "4 containers · first ends in 23 min · 1 stopped · 1 expired · 1 being created",
            ),
            (vec![lease("stopped")], "1 container · expired"),
            (
                vec![lease("provisioning"), lease("reconciling")],
                "2 containers · being created",
            ),
            (
                vec![one, lease("stopped"), lease("destroyed")],
                "2 containers · 23 min left · 1 expired",
            ),
        ] {
            assert_eq!(line(&leases, 2_205).as_deref(), Some(words));
        }
        assert_eq!(line(&[], 0), None);
        assert_eq!(line(&[lease("undoing"), lease("destroyed")], 0), None);
    }

    #[test]
    fn the_line_has_the_urgency_of_the_next_expiry_and_seconds_only_at_the_end() {
        let leases = [lease("active")];
        let at = |second| {
            let now = leases[0].created_at.unix() + second;
            let summary = LeaseSummary::at(&leases, now).unwrap();
            (summary.urgency, summary.words())
        };
        let line = |words: &str| words.to_owned();
        assert_eq!(at(0), (Urgency::Calm, line("1 container · 1 h left")));
        assert_eq!(
            at(2_990),
            (Urgency::Soon, line("1 container · 10 min left"))
        );
        assert_eq!(
            at(3_570),
            (Urgency::Critical, line("1 container · 30 s left"))
        );
        assert_eq!(at(3_600), (Urgency::None, line("1 container · expired")));
    }

    #[test]
    fn a_sheet_closes_when_it_is_pulled_far_or_fast() {
        assert!(is_dismissed(200.0, 600.0, 2_000.0));
        assert!(is_dismissed(60.0, 600.0, 80.0));
        assert!(!is_dismissed(60.0, 600.0, 400.0));
        assert!(!is_dismissed(10.0, 600.0, 5.0));
        assert!(!is_dismissed(0.0, 600.0, 0.0));
    }
}
