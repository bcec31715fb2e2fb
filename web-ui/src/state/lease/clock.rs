//! A lease's remaining time, its urgency, and what its status allows.

use api_types::{LeaseStatus, LeaseView, Timestamp};

/// The meter changes when the remaining share of the paid time falls below these.
const SOON: f64 = 0.20;
const CRITICAL: f64 = 0.05;

/// How urgent a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A fifth or more is left.
    Calm,
    /// Under a fifth is left.
    Soon,
    /// Under a twentieth is left.
    Critical,
    /// The paid time is over. The data is kept until the end of the grace.
    Over,
    /// No time is counted: not yet paid, or destroyed.
    None,
}

/// What the meter of a lease shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeaseMeter {
    /// The remaining share, from 0 to 1.
    pub left: f64,
    /// How urgent it is.
    pub urgency: Urgency,
    /// The end of the countdown: of the paid time, or of the grace.
    pub until: Option<Timestamp>,
}

/// The meter of a lease at a time, in Unix seconds.
pub fn read_meter(lease: &LeaseView, now: u64) -> LeaseMeter {
    let nothing = LeaseMeter {
        left: 0.0,
        urgency: Urgency::None,
        until: None,
    };
    match (lease.status, lease.expires_at) {
        (LeaseStatus::Active | LeaseStatus::Expiring | LeaseStatus::Stopped, Some(end)) => {
            if end.unix() > now && lease.status == LeaseStatus::Active {
                let left = share(lease.created_at, end, now);
                LeaseMeter {
                    left,
                    urgency: urgency(left),
                    until: Some(end),
                }
            } else {
                let left = lease.destroys_at.map_or(0.0, |gone| share(end, gone, now));
                LeaseMeter {
                    left,
                    urgency: Urgency::Over,
                    until: lease.destroys_at,
                }
            }
        }
        _ => nothing,
    }
}

fn share(from: Timestamp, until: Timestamp, now: u64) -> f64 {
    let whole = until.unix().saturating_sub(from.unix());
    let left = until.unix().saturating_sub(now);
    if whole == 0 {
        return 0.0;
    }
    (left as f64 / whole as f64).min(1.0)
}

fn urgency(left: f64) -> Urgency {
    if left < CRITICAL {
        Urgency::Critical
    } else if left < SOON {
        Urgency::Soon
    } else {
        Urgency::Calm
    }
}

impl Urgency {
    /// The name in the stylesheet.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Soon => "soon",
            Self::Critical => "critical",
            Self::Over => "over",
            Self::None => "none",
        }
    }
}

/// Whether the lease has a container that can be used now.
pub fn is_usable(status: LeaseStatus) -> bool {
    status == LeaseStatus::Active
}

/// Whether the container is stopped while its paid time goes on.
pub fn is_off(lease: &LeaseView) -> bool {
    is_usable(lease.status) && lease.live_status.as_deref() == Some("stopped")
}

/// Whether the state of the container is not known at the moment: Proxmox does not answer, or does
/// not list it.
pub fn is_unreachable(lease: &LeaseView) -> bool {
    let live = lease.live_status.as_deref();
    is_usable(lease.status) && live.is_none_or(|live| matches!(live, "unknown" | "missing"))
}

/// Whether commands and terminals are available: the container was seen running.
pub fn is_running(lease: &LeaseView) -> bool {
    is_usable(lease.status) && !is_off(lease) && !is_unreachable(lease)
}

/// Whether the lease can be renewed.
pub fn is_renewable(status: LeaseStatus) -> bool {
    matches!(
        status,
        LeaseStatus::Active | LeaseStatus::Expiring | LeaseStatus::Stopped
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{from_value, json};

    use super::*;

    pub fn lease(status: &str) -> LeaseView {
        from_value(json!({
            "leaseId": "l-1", "status": status, "ctid": 101, "hostname": "web", "node": "pve1", "sku": "lxc-small",
            "template": "debian-12", "cores": 1, "memoryMB": 512, "diskGB": 8, "ownerWallet": "0xf39F",
            "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T01:00:00Z",
            "destroysAt": "2026-01-01T02:00:00Z", "paid": "10000", "liveStatus": "running",
        }))
        .unwrap()
    }

    fn at(lease: &LeaseView, seconds: u64) -> (u64, Urgency) {
        let reading = read_meter(lease, lease.created_at.unix() + seconds);
        ((reading.left * 100.0).round() as u64, reading.urgency)
    }

    #[test]
    fn the_meter_runs_down_and_changes_twice() {
        let lease = lease("active");
        assert_eq!(at(&lease, 0), (100, Urgency::Calm));
        assert_eq!(at(&lease, 1800), (50, Urgency::Calm));
        assert_eq!(at(&lease, 2890), (20, Urgency::Soon));
        assert_eq!(at(&lease, 3450), (4, Urgency::Critical));
    }

    #[test]
    fn after_the_expiry_the_countdown_is_that_of_the_data() {
        let reading = read_meter(&lease("active"), lease("active").created_at.unix() + 5400);
        assert_eq!(reading.urgency, Urgency::Over);
        assert_eq!(reading.until, lease("active").destroys_at);
        assert_eq!(at(&lease("stopped"), 5400), (50, Urgency::Over));
        assert_eq!(at(&lease("stopped"), 9_999_999), (0, Urgency::Over));
    }

    #[test]
    fn a_stopped_container_is_off_only_while_its_paid_time_goes_on() {
        let with = |status: &str, live: Option<&str>| LeaseView {
            live_status: live.map(str::to_owned),
            ..lease(status)
        };
        assert!(is_off(&with("active", Some("stopped"))));
        assert!(!is_running(&with("active", Some("stopped"))));
        assert!(is_running(&with("active", Some("running"))));
        assert!(!is_running(&with("stopped", Some("running"))));
        for live in [Some("running"), Some("unknown"), None] {
            assert!(!is_off(&with("active", live)), "{live:?}");
        }
        assert!(!is_off(&with("stopped", Some("stopped"))));
    }

    #[test]
    fn an_unreachable_container_is_not_shown_as_running() {
        let with = |live: Option<&str>| LeaseView {
            live_status: live.map(str::to_owned),
            ..lease("active")
        };
        for live in [None, Some("unknown"), Some("missing")] {
            assert!(
                is_unreachable(&with(live)) && !is_running(&with(live)),
                "{live:?}"
            );
        }
        for live in ["running", "stopped"] {
            assert!(!is_unreachable(&with(Some(live))), "{live}");
        }
        assert!(
            !is_unreachable(&lease("stopped")),
            "its time is over anyway"
        );
    }

    #[test]
    fn no_time_is_counted_before_and_after_a_lease() {
        for status in [
            "provisioning",
            "settling",
            "reconciling",
            "undoing",
            "destroyed",
        ] {
            let lease = lease(status);
            assert_eq!(at(&lease, 60), (0, Urgency::None), "{status}");
            assert!(!is_usable(lease.status) && !is_renewable(lease.status));
        }
        assert!(is_renewable(LeaseStatus::Stopped) && !is_usable(LeaseStatus::Stopped));
    }
}
