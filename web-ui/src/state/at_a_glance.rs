//! What a wallet has, short enough for one line; and when a sheet that is pulled down is let go of for good.

use api_types::{LeaseStatus, LeaseView};

use super::lease_clock::{Urgency, is_off, is_unseen, read};
use crate::{format::duration, text::leases as words};

/// What a wallet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// Containers with paid time, switched off or not.
    pub paid: usize,
    /// Seconds until the first of their ends.
    pub left: Option<u64>,
    /// How urgent that one is.
    pub urgency: Urgency,
    /// Those of them that are switched off.
    pub off: usize,
    /// Those of them that nobody can see at the moment.
    pub unseen: usize,
    /// Containers whose time is over and whose data is kept for a while.
    pub over: usize,
    /// Containers that are being made.
    pub coming: usize,
}

impl Glance {
    /// Looks at the leases at a moment, in Unix seconds; nothing where there is nothing to do.
    pub fn at(leases: &[LeaseView], now: u64) -> Option<Self> {
        let mut glance = Self {
            paid: 0,
            left: None,
            urgency: Urgency::None,
            off: 0,
            unseen: 0,
            over: 0,
            coming: 0,
        };
        for lease in leases {
            let reading = read(lease, now);
            match lease.status {
                LeaseStatus::Provisioning | LeaseStatus::Settling | LeaseStatus::Reconciling => {
                    glance.coming += 1;
                }
                LeaseStatus::Undoing | LeaseStatus::Destroyed => {}
                LeaseStatus::Active if reading.urgency != Urgency::Over => {
                    glance.paid += 1;
                    glance.off += usize::from(is_off(lease));
                    glance.unseen += usize::from(is_unseen(lease));
                    let left = reading.until.map(|until| until.unix().saturating_sub(now));
                    if let Some(left) = left
                        && glance.left.is_none_or(|first| left < first)
                    {
                        glance.left = Some(left);
                        glance.urgency = reading.urgency;
                    }
                }
                LeaseStatus::Active | LeaseStatus::Expiring | LeaseStatus::Stopped => {
                    glance.over += 1;
                }
            }
        }
        (glance.count() > 0).then_some(glance)
    }

    fn count(&self) -> usize {
        self.paid + self.over + self.coming
    }

    /// The line.
    pub fn words(&self) -> String {
        let mut all = vec![words::containers(self.count())];
        if let Some(left) = self.left {
            // Seconds would change all the time, and matter only at the end.
            let left = duration(if left < 60 { left } else { left - left % 60 });
            all.push(match self.paid {
                1 => words::time_left(&left),
                _ => words::first_ends(&left),
            });
        }
        for (some, state) in [
            (self.off, words::GLANCE_OFF),
            (self.unseen, words::GLANCE_UNSEEN),
            (self.over, words::GLANCE_OVER),
            (self.coming, words::GLANCE_COMING),
        ] {
            if some == self.count() {
                all.push(state.to_owned());
            } else if some > 0 {
                all.push(words::some(some, state));
            }
        }
        all.join(" · ")
    }
}

/// Pulled down by this share of its height, a sheet is meant to go.
const FAR: f64 = 0.3;
/// Pulled by at least so many pixels, at so many pixels per millisecond, as well.
const FLICK: (f64, f64) = (32.0, 0.5);

/// Whether a sheet that was pulled down by some pixels within some milliseconds, and let go, is meant to close.
pub fn is_dismissed(pulled: f64, height: f64, milliseconds: f64) -> bool {
    let (distance, speed) = FLICK;
    pulled > height * FAR || (pulled > distance && pulled > speed * milliseconds)
}

#[cfg(test)]
mod tests {
    use api_types::Timestamp;

    use super::*;
    use crate::state::lease_clock::tests::lease;

    fn says(leases: &[LeaseView], second: u64) -> Option<String> {
        let now = lease("active").created_at.unix() + second;
        Glance::at(leases, now).map(|glance| glance.words())
    }

    #[test]
    fn one_line_says_how_many_there_are_and_which_time_ends_first() {
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
            (
                vec![off.clone()],
                "1 container · 33 min left · switched off",
            ),
            (
                vec![one.clone(), off, lease("stopped"), lease("settling")],
                "4 containers · first ends in 23 min · 1 switched off · 1 stopped · 1 being made",
            ),
            (vec![lease("stopped")], "1 container · stopped"),
            (
                vec![lease("provisioning"), lease("reconciling")],
                "2 containers · being made",
            ),
            (
                vec![one, lease("stopped"), lease("destroyed")],
                "2 containers · 23 min left · 1 stopped",
            ),
        ] {
            assert_eq!(says(&leases, 2_205).as_deref(), Some(words));
        }
        assert_eq!(says(&[], 0), None);
        assert_eq!(says(&[lease("undoing"), lease("destroyed")], 0), None);
    }

    #[test]
    fn the_line_is_as_urgent_as_what_ends_first_and_counts_seconds_only_at_the_end() {
        let leases = [lease("active")];
        let at = |second| {
            let now = leases[0].created_at.unix() + second;
            let glance = Glance::at(&leases, now).unwrap();
            (glance.urgency, glance.words())
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
        assert_eq!(at(3_600), (Urgency::None, line("1 container · stopped")));
    }

    #[test]
    fn a_sheet_goes_when_it_is_pulled_far_or_fast() {
        assert!(is_dismissed(200.0, 600.0, 2_000.0));
        assert!(is_dismissed(60.0, 600.0, 80.0));
        assert!(!is_dismissed(60.0, 600.0, 400.0));
        assert!(!is_dismissed(10.0, 600.0, 5.0));
        assert!(!is_dismissed(0.0, 600.0, 0.0));
    }
}
