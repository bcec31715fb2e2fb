//! Traffic of leases, and the steps because of it.

use api_types::TrafficStep;

use super::*;

on_both![
    traffic_is_counted_by_differences_and_belongs_to_its_lease,
    a_step_is_written_down_once_with_its_event,
    every_renewal_adds_to_what_was_bought,
    implausible_counters_do_not_stop_the_count_of_others,
    time_without_a_network_is_counted_by_looks_and_ends_with_the_step,
];

fn sample(number: u32, sent: u64, received: u64, uptime: u64) -> CounterSample {
    CounterSample {
        lease_id: format!("lease-{number}").into(),
        counters: Counters {
            sent,
            received,
            uptime,
        },
    }
}

async fn counted(store: &Store, number: u32) -> (u64, u64) {
    let traffic = store
        .traffic(&format!("lease-{number}").into())
        .await
        .unwrap();
    let counted = traffic.unwrap().counted;
    (counted.sent, counted.received)
}

async fn traffic_is_counted_by_differences_and_belongs_to_its_lease(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    activated(&store, 2, 0).await;
    assert_eq!(counted(&store, 1).await, (0, 0));
    let count = async |looks: &[CounterSample], now| {
        let sum = store.count_traffic(looks.to_vec(), now).await.unwrap();
        (sum.counted.sent, sum.counted.received)
    };
    let first = [sample(1, 100, 10, 60), sample(2, 7, 8, 60)];
    assert_eq!(count(&first, 100).await, (107, 18));
    assert_eq!(count(&first, 100).await, (0, 0), "the same look again");
    assert_eq!(count(&[sample(1, 150, 10, 120)], 160).await, (50, 0));
    let large = 1 << 40;
    assert_eq!(
        count(&[sample(1, large, 5, 20)], 220).await,
        (large, 5),
        "started again"
    );
    assert_eq!(count(&[sample(1, 1, 1, 19)], 100_000).await, (1, 1));
    assert_eq!(
        count(&[sample(1, 0, 0, 0)], 100_060).await,
        (0, 0),
        "stopped"
    );
    assert_eq!(counted(&store, 1).await, (150 + large + 1, 16));
    assert_eq!(counted(&store, 2).await, (7, 8));

    // Opened again, it goes on where it was.
    drop(store);
    let store = place.open().await;
    let sum = store
        .count_traffic(vec![sample(2, 9, 9, 500)], 500)
        .await
        .unwrap()
        .counted;
    assert_eq!((sum.sent, sum.received), (2, 1));
    let unknown = vec![sample(9, 1, 1, 1), sample(2, 10, 9, 501)];
    assert!(
        store.count_traffic(unknown, 501).await.is_err(),
        "there is no such lease"
    );
    assert_eq!(counted(&store, 2).await, (9, 9), "all or nothing");
}

async fn a_step_is_written_down_once_with_its_event(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    activated(&store, 2, 0).await;
    let looks = vec![sample(1, 100, 10, 60), sample(2, 100, 10, 60)];
    store.count_traffic(looks, 100).await.unwrap();
    assert_eq!(
        store.limited_traffic(&wallet(PAYER)).await.unwrap().len(),
        0
    );
    let kept = SavedInterface {
        rate: Some(12_500_000),
        down: Some(false),
    };
    store.keep_interface(&"lease-1".into(), kept).await.unwrap();
    let seen = store.traffic(&"lease-1".into()).await.unwrap().unwrap();
    assert_eq!((seen.step, seen.kept), (TrafficStep::Full, kept));
    let change = |from, to, kept| TrafficChange {
        lease_id: "lease-1".into(),
        from,
        to,
        kept,
        event: ("traffic_cut", "{\"sent\":100}".into()),
    };
    let cut = change(TrafficStep::Full, TrafficStep::Cut, kept);
    let (one, two) = tokio::join!(
        store.set_traffic_step(cut.clone(), 5),
        store.set_traffic_step(cut, 5)
    );
    assert_ne!(one.unwrap(), two.unwrap());
    let events = store.events("lease-1", 0, 9).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind.as_str(), events[0].at), ("traffic_cut", 5));
    let limited = store.limited_traffic(&wallet("0xAA")).await.unwrap();
    assert_eq!(limited.keys().collect::<Vec<_>>(), ["lease-1"]);
    assert_eq!(limited[&"lease-1".into()].kept, kept);
    // Counting goes on and leaves the step alone.
    store
        .count_traffic(vec![sample(1, 200, 10, 120)], 160)
        .await
        .unwrap();
    let mut live = store.traffic_of_live().await.unwrap();
    live.sort_by_key(|one| one.lease_id.clone());
    let steps: Vec<_> = live
        .iter()
        .map(|one| (one.step, one.counted.sent))
        .collect();
    assert_eq!(steps, [(TrafficStep::Cut, 200), (TrafficStep::Full, 100)]);
    let back = change(
        TrafficStep::Cut,
        TrafficStep::Full,
        SavedInterface::default(),
    );
    assert!(store.set_traffic_step(back, 6).await.unwrap());
    let seen = store.traffic(&"lease-1".into()).await.unwrap().unwrap();
    assert_eq!(
        (seen.step, seen.kept),
        (TrafficStep::Full, SavedInterface::default())
    );
}

async fn every_renewal_adds_to_what_was_bought(place: Place) {
    let store = place.open().await;
    activated_for(&store, 1, 60, 600, 0).await;
    let minutes = async || {
        store
            .traffic(&"lease-1".into())
            .await
            .unwrap()
            .unwrap()
            .minutes
    };
    assert_eq!(minutes().await, 60);
    for (number, bought) in [(11, 30), (12, 5)] {
        let id = format!("pay-{number}");
        let new = payment(&id, PAYER, &format!("0x{number}"));
        store.reserve(new, 0).await.unwrap();
        let renewal = Renewal {
            lease_id: "lease-1".into(),
            payment_id: id.into(),
            minutes: Minutes(bought),
            grace_seconds: 600,
        };
        for _ in 0..2 {
            store.renew(renewal.clone(), 10).await.unwrap();
        }
    }
    assert_eq!(minutes().await, 95);
    assert!(store.traffic(&"lease-9".into()).await.unwrap().is_none());
}

/// A counter that is broken, or a sum that has no room: others are counted on, and all can be read.
async fn implausible_counters_do_not_stop_the_count_of_others(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    activated(&store, 2, 0).await;
    for (at, hostile) in [(60, u64::MAX), (180, u64::MAX - 1)] {
        let looks = vec![sample(1, hostile, hostile, 60), sample(2, at, at, at)];
        let count = store.count_traffic(looks, at as i64).await.unwrap();
        assert_eq!(count.doubtful, ["lease-1"]);
        assert_eq!(counted(&store, 1).await, (0, 0));
        assert_eq!(counted(&store, 2).await, (at, at));
    }
    // Years at full speed, twice.
    let (years, full) = (150_000_000, 7_000_000_000_000_000_000);
    let mut at = 240;
    for _ in 0..2 {
        let off = vec![sample(1, 0, 0, 0)];
        store.count_traffic(off, at).await.unwrap();
        at += years;
        let other = sample(2, 182, 180, at.unsigned_abs());
        let looks = vec![sample(1, full, full, years.unsigned_abs()), other];
        let count = store.count_traffic(looks, at).await.unwrap();
        assert_eq!(count.doubtful, [""; 0]);
    }
    assert_eq!(counted(&store, 1).await, (i64::MAX as u64, i64::MAX as u64));
    assert_eq!(counted(&store, 2).await, (182, 180));
    assert_eq!(store.traffic_of_live().await.unwrap().len(), 2);
}

async fn time_without_a_network_is_counted_by_looks_and_ends_with_the_step(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    let count = async |uptime: u64, at: i64| {
        // One that is off has no counters.
        let (sent, received) = if uptime == 0 { (0, 0) } else { (100, 10) };
        let looks = vec![sample(1, sent, received, uptime)];
        store.count_traffic(looks, at).await.unwrap();
        store
            .traffic(&"lease-1".into())
            .await
            .unwrap()
            .unwrap()
            .cut_seconds
    };
    let take = async |from, to| {
        let change = TrafficChange {
            lease_id: "lease-1".into(),
            from,
            to,
            kept: SavedInterface::default(),
            event: ("traffic", "{}".into()),
        };
        assert!(store.set_traffic_step(change, 5).await.unwrap());
    };
    let [full, slowed, cut, stopped] = TrafficStep::ALL;
    assert_eq!(count(60, 60).await, 0);
    assert_eq!(count(120, 120).await, 0, "nothing is the matter");
    take(full, cut).await;
    assert_eq!(count(180, 180).await, 60);
    assert_eq!(count(90_180, 90_180).await, 180, "nobody looked for a day");
    assert_eq!(count(0, 90_240).await, 180, "it is off");
    assert_eq!(count(60, 90_300).await, 240);
    take(cut, stopped).await;
    assert_eq!(count(0, 90_360).await, 240, "so that it stays stopped");
    take(stopped, slowed).await;
    take(slowed, cut).await;
    assert_eq!(count(0, 90_420).await, 0, "from the beginning");
}
