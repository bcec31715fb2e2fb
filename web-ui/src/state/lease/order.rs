//! The order of the board: the lease that expires soonest is first, expired leases are last.

use api_types::{LeaseView, Timestamp};

use super::clock::{Urgency, read_meter};

/// The ids of the leases in their order at a time, in Unix seconds.
pub fn by_expiry(leases: &[LeaseView], now: u64) -> Vec<String> {
    let mut order: Vec<_> = leases
        .iter()
        .map(|lease| (sort_key(lease, now), lease))
        .collect();
    // The sort is stable: of two leases with the same expiry, the newer stays before the older.
    order.sort_by_key(|(key, _)| *key);
    order
        .into_iter()
        .map(|(_, lease)| lease.lease_id.clone())
        .collect()
}

/// The leases in their earlier order, while the customer uses one of the cards: leases that are
/// gone are left out, new ones come last.
pub fn keep_order(before: &[String], now: Vec<String>) -> Vec<String> {
    let mut order: Vec<String> = before.to_vec();
    order.retain(|id| now.contains(id));
    order.extend(now.into_iter().filter(|id| !before.contains(id)));
    order
}

/// Leases in the making come first, then running ones, then expired ones.
fn sort_key(lease: &LeaseView, now: u64) -> (u8, Option<Timestamp>) {
    let meter = read_meter(lease, now);
    let group = match meter.urgency {
        Urgency::None => 0,
        Urgency::Calm | Urgency::Soon | Urgency::Critical => 1,
        Urgency::Over => 2,
    };
    (group, meter.until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::lease::clock::tests::lease;

    fn named(id: &str, status: &str, minutes: u64) -> LeaseView {
        let lease = lease(status);
        let end = lease.created_at.unix() + minutes * 60;
        LeaseView {
            lease_id: id.to_owned(),
            expires_at: (minutes > 0).then_some(Timestamp(end)),
            destroys_at: Some(Timestamp(end + 3600)),
            ..lease
        }
    }

    #[test]
    fn the_next_expiry_is_first_and_expired_leases_are_last() {
        let leases = [
            named("long", "active", 600),
            named("over", "stopped", 5),
            named("new", "provisioning", 0),
            named("soon", "active", 30),
            named("ended", "active", 9),
        ];
        let now = leases[0].created_at.unix() + 600;
        assert_eq!(
            by_expiry(&leases, now),
            ["new", "soon", "long", "over", "ended"]
        );
    }

    #[test]
    fn a_kept_order_drops_gone_leases_and_appends_new_ones() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let before = ids(&["a", "b", "c"]);
        assert_eq!(
            keep_order(&before, ids(&["d", "c", "a"])),
            ids(&["a", "c", "d"])
        );
        assert_eq!(keep_order(&[], ids(&["b", "a"])), ids(&["b", "a"]));
    }
}
