//! The order of the board: what ends soonest is first, and what has ended is last.

use api_types::{LeaseView, Timestamp};

use super::lease_clock::{Urgency, read};

/// The ids of the leases in their order at a moment, in Unix seconds.
pub fn by_end(leases: &[LeaseView], now: u64) -> Vec<String> {
    let mut order: Vec<_> = leases
        .iter()
        .map(|lease| (place(lease, now), lease))
        .collect();
    // Of two that end at the same moment, the younger stays before the older.
    order.sort_by_key(|(place, _)| *place);
    order
        .into_iter()
        .map(|(_, lease)| lease.lease_id.clone())
        .collect()
}

/// The same leases in the order that somebody has before them, who would lose the place where they are: what has left is gone from
/// it, and what is new comes after it.
pub fn held(before: &[String], now: Vec<String>) -> Vec<String> {
    let mut order: Vec<String> = before.to_vec();
    order.retain(|id| now.contains(id));
    order.extend(now.into_iter().filter(|id| !before.contains(id)));
    order
}

/// What is being made comes first, then what runs, then what has ended.
fn place(lease: &LeaseView, now: u64) -> (u8, Option<Timestamp>) {
    let reading = read(lease, now);
    let group = match reading.urgency {
        Urgency::None => 0,
        Urgency::Calm | Urgency::Soon | Urgency::Critical => 1,
        Urgency::Over => 2,
    };
    (group, reading.until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::lease_clock::tests::lease;

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
    fn what_ends_soonest_is_first_and_what_has_ended_last() {
        let leases = [
            named("long", "active", 600),
            named("over", "stopped", 5),
            named("new", "provisioning", 0),
            named("soon", "active", 30),
            named("ended", "active", 9),
        ];
        let now = leases[0].created_at.unix() + 600;
        assert_eq!(
            by_end(&leases, now),
            ["new", "soon", "long", "over", "ended"]
        );
    }

    #[test]
    fn an_order_that_is_held_loses_what_left_and_gets_what_came() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let before = ids(&["a", "b", "c"]);
        assert_eq!(held(&before, ids(&["d", "c", "a"])), ids(&["a", "c", "d"]));
        assert_eq!(held(&[], ids(&["b", "a"])), ids(&["b", "a"]));
    }
}
