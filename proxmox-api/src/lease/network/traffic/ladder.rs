//! The steps that a lease takes when it has sent more than is included, and what they change of its
//! container's interface. Pure: the step is always derived from what was counted, so that it can be
//! taken again after a crash.

use api_types::TrafficStep;
use pve::{Network, Rate};

use crate::store::{SavedInterface, Traffic};

/// What a slowed container may send and receive, in bytes per second: 1 Mbit/s.
const SLOW: u64 = 125_000;

/// The step that belongs to what was sent; `included` in bytes, `None` without a limit, and
/// `stop_after` in seconds for which a container may run cut off, `None` for ever.
pub(super) fn step(
    traffic: &Traffic,
    included: Option<u64>,
    stop_after: Option<u64>,
) -> TrafficStep {
    let sent = traffic.counted.sent;
    match included {
        Some(included) if sent >= included.saturating_mul(2) => {
            match stop_after.is_some_and(|after| traffic.cut_seconds >= after) {
                true => TrafficStep::Stopped,
                false => TrafficStep::Cut,
            }
        }
        Some(included) if sent >= included => TrafficStep::Slowed,
        _ => TrafficStep::Full,
    }
}

/// What has to be kept of an interface before it is changed for a step. What was kept before stays,
/// since the interface may have been changed already. A link that waits for the firewall is not
/// down for good.
pub(super) fn keep(
    network: &Network,
    step: TrafficStep,
    kept: SavedInterface,
    waits: bool,
) -> SavedInterface {
    let slows = step >= TrafficStep::Slowed;
    let rate = || slows.then(|| network.rate.map_or(0, Rate::bytes_per_s));
    let down = || (step >= TrafficStep::Cut).then_some(network.link_down && !waits);
    SavedInterface {
        rate: kept.rate.or_else(rate),
        down: kept.down.or_else(down),
    }
}

/// The interface as a step wants it. A limit that an administrator has set lower stays; one that
/// was set meanwhile, too.
pub(super) fn interface(
    network: &Network,
    step: TrafficStep,
    kept: SavedInterface,
    waits: bool,
) -> Network {
    let mut wanted = network.clone();
    let rate = network.rate.map(Rate::bytes_per_s);
    if step >= TrafficStep::Slowed {
        if rate.is_none_or(|rate| rate > SLOW) {
            wanted.rate = Rate::from_bytes_per_s(SLOW);
        }
    } else if let Some(before) = kept.rate
        && rate == Some(SLOW)
    {
        wanted.rate = Rate::from_bytes_per_s(before);
    }
    if step >= TrafficStep::Cut {
        wanted.link_down = true;
    } else if let Some(down) = kept.down {
        wanted.link_down = down || waits;
    }
    wanted
}

/// What is still kept after a step was taken.
pub(super) fn kept_after(step: TrafficStep, kept: SavedInterface) -> SavedInterface {
    SavedInterface {
        rate: kept.rate.filter(|_| step >= TrafficStep::Slowed),
        down: kept.down.filter(|_| step >= TrafficStep::Cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ByteCounts;

    const STEPS: [TrafficStep; 4] = TrafficStep::ALL;

    fn network(rate: Option<u64>, link_down: bool) -> Network {
        let mut network = Network::dhcp("vmbr0");
        network.hwaddr = Some("BC:24:11:00:00:01".into());
        network.rate = rate.and_then(Rate::from_bytes_per_s);
        network.link_down = link_down;
        network
    }

    /// Takes a step, twice, as after a crash before it was written down.
    fn taken(
        at: &Network,
        step: TrafficStep,
        kept: SavedInterface,
        waits: bool,
    ) -> (Network, SavedInterface) {
        let kept = keep(at, step, kept, waits);
        let once = interface(at, step, kept, waits);
        assert_eq!(keep(&once, step, kept, waits), kept, "kept once");
        assert_eq!(interface(&once, step, kept, waits), once, "idempotent");
        (once, kept_after(step, kept))
    }

    #[test]
    fn a_step_belongs_to_what_was_sent() {
        let traffic = |sent, cut_seconds| Traffic {
            lease_id: "lease-1".into(),
            counted: ByteCounts {
                sent,
                received: u64::MAX,
            },
            step: TrafficStep::Full,
            kept: SavedInterface::default(),
            minutes: 60,
            cut_seconds,
            waits_for_firewall: false,
        };
        let of = |sent, included| step(&traffic(sent, 0), included, Some(3600));
        let [full, slowed, cut, stopped] = STEPS;
        assert_eq!(of(99, Some(100)), full);
        assert_eq!(of(100, Some(100)), slowed);
        assert_eq!(of(199, Some(100)), slowed);
        assert_eq!(of(200, Some(100)), cut);
        assert_eq!(of(u64::MAX - 1, Some(u64::MAX)), full);
        assert_eq!(of(u64::MAX, None), full, "no limit");
        let after = |seconds, sent, limit| step(&traffic(sent, seconds), Some(100), limit);
        assert_eq!(after(3599, 200, Some(3600)), cut);
        assert_eq!(after(3600, 200, Some(3600)), stopped);
        assert_eq!(after(u64::MAX, 200, None), cut, "never stopped");
        assert_eq!(after(u64::MAX, 199, Some(3600)), slowed);
    }

    #[test]
    fn every_way_up_and_down_ends_with_the_interface_as_it_was() {
        for rate in [None, Some(12_500_000), Some(50_000), Some(SLOW)] {
            for down in [false, true] {
                let before = network(rate, down);
                for up in STEPS {
                    for between in STEPS {
                        let (at, kept) = taken(&before, up, SavedInterface::default(), false);
                        let (at, kept) = taken(&at, between, kept, false);
                        let (at, kept) = taken(&at, TrafficStep::Full, kept, false);
                        assert_eq!(at, before, "{rate:?} {down} {up:?} {between:?}");
                        assert_eq!(kept, SavedInterface::default());
                    }
                }
            }
        }
    }

    #[test]
    fn a_limit_is_only_ever_lowered() {
        let slow = |rate| {
            taken(
                &network(rate, false),
                TrafficStep::Slowed,
                SavedInterface::default(),
                false,
            )
        };
        let rate = |network: Network| network.rate.map(Rate::bytes_per_s);
        assert_eq!(rate(slow(None).0), Some(SLOW));
        assert_eq!(rate(slow(Some(12_500_000)).0), Some(SLOW));
        assert_eq!(rate(slow(Some(50_000)).0), Some(50_000));
        // Set by an administrator while it was slowed.
        let (mut at, kept) = slow(Some(12_500_000));
        at.rate = Rate::from_bytes_per_s(60_000);
        let (at, _) = taken(&at, TrafficStep::Full, kept, false);
        assert_eq!(rate(at), Some(60_000));
    }

    #[test]
    fn a_link_that_waits_for_the_firewall_is_left_to_it() {
        let waiting = network(None, true);
        let (slowed, kept) = taken(
            &waiting,
            TrafficStep::Slowed,
            SavedInterface::default(),
            true,
        );
        assert!(slowed.link_down, "not put up by that");
        let (cut, kept) = taken(&slowed, TrafficStep::Cut, kept, true);
        let (early, _) = taken(&cut, TrafficStep::Full, kept, true);
        assert!(early.link_down, "it still waits");
        let (later, _) = taken(&cut, TrafficStep::Full, kept, false);
        assert!(!later.link_down);
    }
}
