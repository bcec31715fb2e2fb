//! The reads and writes of the worker that ends leases and of the comparison with Proxmox, for many
//! leases at once.

use std::collections::HashMap;

use super::*;
use crate::store::{leases, sql::Value};

on_both![
    many_leases_are_written_down_by_few_statements,
    nothing_is_written_where_nothing_has_changed,
    owners_are_warned_once_and_not_all_by_one_commit,
    ends_come_in_the_order_in_which_they_are_due,
];

/// Enough to need pieces of several lengths.
const LEASES: u32 = 23;

fn id(number: u32) -> LeaseId {
    format!("lease-{number}").into()
}

/// Leases for an hour from `now` on.
async fn many(store: &Store, now: i64) -> Vec<LeaseId> {
    for number in 1..=LEASES {
        let pay: PaymentId = format!("pay-{number}").into();
        let owner = format!("0x{number}");
        let new = payment(&pay, &owner, &format!("0x{number}"));
        store.reserve(new, 0).await.unwrap();
        store.claim(claim(number, &owner), LIMITS, 0).await.unwrap();
        let sql = "UPDATE leases SET state = 'active', expires_at = ?2, destroy_at = ?2 + 600
             WHERE lease_id = ?1";
        let end = now + 3600 + i64::from(number);
        let made = store.write(ChangeLock::None, move |db| {
            db.execute(sql, values![id(number), end])
        });
        assert_eq!(made.await.unwrap(), 1);
    }
    (1..=LEASES).map(id).collect()
}

async fn many_leases_are_written_down_by_few_statements(place: Place) {
    let store = place.open().await;
    let all = many(&store, 0).await;
    store.saw_running(all.clone(), 50).await.unwrap();
    let seen = store.running_seen().await.unwrap();
    assert_eq!(seen, all.iter().map(|id| (id.clone(), 50)).collect());
    let (some, rest) = all.split_at(5);
    store.saw_stopped(some.to_vec()).await.unwrap();
    assert_eq!(store.running_seen().await.unwrap().len(), rest.len());
    assert_eq!(store.running_seen_of(&some[0]).await.unwrap(), None);
    assert_eq!(store.running_seen_of(&rest[0]).await.unwrap(), Some(50));

    let look = |id: &LeaseId, by: u64| CounterSample {
        lease_id: id.clone(),
        counters: Counters {
            sent: 10 * by,
            received: by,
            uptime: 60 * by,
        },
    };
    for by in [1, 2] {
        let looks = all.iter().map(|id| look(id, by)).collect();
        let now = 60 * i64::try_from(by).unwrap();
        let count = store.count_traffic(looks, now).await.unwrap();
        let leases = u64::from(LEASES);
        assert_eq!(
            (count.counted.sent, count.counted.received),
            (10 * leases, leases)
        );
    }
    let traffic = store.traffic(&all[22]).await.unwrap().unwrap();
    assert_eq!((traffic.counted.sent, traffic.counted.received), (20, 2));
}

async fn nothing_is_written_where_nothing_has_changed(place: Place) {
    let store = place.open().await;
    let all = many(&store, 0).await;
    let found: HashMap<LeaseId, &'static str> = HashMap::from([
        (all[0].clone(), "hidden"),
        (all[1].clone(), "gone"),
        (all[2].clone(), "gone"),
    ]);
    store.set_troubles(found.clone()).await.unwrap();
    let told = store.troubles().await.unwrap();
    let same = found
        .iter()
        .map(|(id, word)| (id.clone(), (*word).to_owned()));
    assert_eq!(told, same.collect());
    let before = store.writes();
    store.set_troubles(found).await.unwrap();
    store.forget_orphans(Vec::new()).await.unwrap();
    assert_eq!(store.warn_of_ends(300, 0, 10).await.unwrap(), []);
    assert_eq!(store.writes(), before);
    let left = HashMap::from([(all[1].clone(), "hidden")]);
    store.set_troubles(left).await.unwrap();
    let told = store.troubles().await.unwrap();
    assert_eq!(told, HashMap::from([(all[1].clone(), "hidden".to_owned())]));
    // A lease that is over has no trouble.
    let (from, to) = (LeaseState::Active, LeaseState::Destroyed);
    assert!(store.move_lease(&all[1], from, to, 9).await.unwrap());
    assert_eq!(store.troubles().await.unwrap(), HashMap::new());
}

async fn owners_are_warned_once_and_not_all_by_one_commit(place: Place) {
    let store = place.open().await;
    many(&store, 0).await;
    let mut warned = Vec::new();
    for expected in [10, 10, 3, 0] {
        let some = store.warn_of_ends(300, 3400, 10).await.unwrap();
        assert_eq!(some.len(), expected);
        warned.extend(some.into_iter().map(|one| one.lease_id.to_string()));
    }
    warned.sort();
    warned.dedup();
    assert_eq!(warned.len(), 23);
}

async fn ends_come_in_the_order_in_which_they_are_due(place: Place) {
    let store = place.open().await;
    let all = many(&store, 0).await;
    let moved = async |id: &LeaseId, from, to, at| {
        assert!(store.move_lease(id, from, to, at).await.unwrap());
    };
    use LeaseState::{Active, Destroying, Expiring, Stopped};
    // Ended by its owner before its time, one whose grace is over, and one whose stop was begun.
    moved(&all[22], Active, Destroying, 3_000).await;
    moved(&all[0], Active, Expiring, 3_601).await;
    moved(&all[0], Expiring, Stopped, 3_601).await;
    moved(&all[1], Active, Expiring, 3_602).await;
    let due = store.ends_due(3_604).await.unwrap();
    let due: Vec<_> = due
        .iter()
        .map(|due| (due.lease_id.as_str(), due.state, due.due_at))
        .collect();
    assert_eq!(
        due,
        [
            ("lease-23", Destroying, 3_000),
            ("lease-2", Expiring, 3_602),
            ("lease-3", Active, 3_603),
            ("lease-4", Active, 3_604),
        ]
    );
    let due = store.ends_due(4_201).await.unwrap();
    assert_eq!(due.last().unwrap().lease_id, "lease-1");
    assert_eq!(due.last().unwrap().state, Stopped);
}

#[tokio::test]
async fn what_is_asked_often_reads_no_lease_that_is_not_concerned() {
    let (_folder, store) = open_file();
    let expected: [&[&str]; 5] = [
        &[
            "leases_deadline (state=? AND expires_at<?)",
            "leases_deadline (state=?)",
            "leases_deadline (state=?)",
            "leases_destroy (state=? AND destroy_at<?)",
        ],
        &[
            "leases_deadline (state=? AND expires_at>?)",
            "leases_destroy (state=? AND destroy_at>?)",
            "leases_unwarned (state=? AND warned_at=? AND expires_at>?)",
        ],
        &["leases_unwarned (state=? AND warned_at=? AND expires_at>? AND expires_at<?)"],
        &["leases_trouble (trouble>?)"],
        &["leases_missed (missing_since>?)"],
    ];
    for ((sql, parameters), expected) in leases::QUERIES.into_iter().zip(expected) {
        let plan = store.read(move |db| {
            let values = vec![Value::Number(Some(1)); parameters];
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            db.all::<String, Vec<_>>(&sql, &values, |row| row.get("detail"))
        });
        let plan = plan.await.unwrap();
        let reads = plan.iter().filter(|step| step.contains(" leases"));
        let mut indexes: Vec<&str> = reads
            .map(|step| {
                step.split_once(" INDEX ")
                    .map_or(step.as_str(), |(_, index)| index)
            })
            .collect();
        indexes.sort_unstable();
        assert_eq!(indexes, expected, "{plan:?}");
    }
}
