//! Bounds, deadlines and renewals.

use super::*;

on_both![
    a_payer_is_held_to_the_bounds,
    a_lease_warns_stops_and_goes_at_its_deadlines,
    a_renewal_counts_once_and_from_the_later_of_now_and_the_end,
    a_renewal_that_is_repeated_tells_what_became_of_the_lease,
    a_minute_keeps_the_data_for_a_minute_however_often_it_is_bought,
];

async fn a_payer_is_held_to_the_bounds(place: Place) {
    let store = place.open().await;
    assert!(matches!(
        claimed(&store, 1, PAYER).await,
        ClaimOutcome::Claimed { .. }
    ));
    assert!(matches!(
        claimed(&store, 2, PAYER).await,
        ClaimOutcome::Claimed { .. }
    ));
    assert_eq!(claimed(&store, 3, PAYER).await, ClaimOutcome::InFlight);
    assert_eq!(
        store.payment(&"pay-3".into()).await.unwrap().unwrap().state,
        PaymentState::Reserved,
        "nothing changed"
    );

    let place = place.another().await;
    let store = place.open().await;
    for number in 1..=3 {
        activated(&store, number, 0).await;
    }
    assert_eq!(claimed(&store, 4, PAYER).await, ClaimOutcome::TooMany);

    let place = place.another().await;
    let store = place.open().await;
    store
        .reserve(payment("pay-1", PAYER, "0x1"), 0)
        .await
        .unwrap();
    let poor = ClaimLimits {
        reserved: 999,
        ..LIMITS
    };
    assert_eq!(
        store.claim(claim(1, PAYER), poor, 0).await.unwrap(),
        ClaimOutcome::TooMuchReserved
    );
    store.mark_released(&"pay-1".into(), "", 0).await.unwrap();
    assert_eq!(
        store.claim(claim(1, PAYER), LIMITS, 0).await.unwrap(),
        ClaimOutcome::PaymentMoved
    );
}

async fn a_lease_warns_stops_and_goes_at_its_deadlines(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 1000).await;
    let due = async |now| {
        let due = store.ends_due(now).await.unwrap();
        due.into_iter()
            .map(|due| (due.state, due.due_at))
            .collect::<Vec<_>>()
    };
    let next = async |now| store.next_end(300, now).await.unwrap();
    let warned = async |now| store.warn_of_ends(300, now, 10).await.unwrap();
    assert_eq!(next(4299).await, Some(4300));
    assert_eq!(warned(4299).await, []);
    let all = warned(4300).await;
    assert_eq!((all.len(), all[0].expires_at), (1, 4600));
    assert_eq!(warned(4300).await, [], "once");
    let events = store.events("lease-1", 0, 100).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(last.kind, "expires_soon");
    assert_eq!(last.data, r#"{"destroysAt":5200,"expiresAt":4600}"#);
    assert_eq!(next(4300).await, Some(4600));
    assert_eq!(due(4599).await, []);
    assert_eq!(due(4600).await, [(LeaseState::Active, 4600)]);
    assert!(
        store
            .move_lease(
                &"lease-1".into(),
                LeaseState::Active,
                LeaseState::Expiring,
                4600
            )
            .await
            .unwrap()
    );
    assert_eq!(store.unfinished_leases().await.unwrap().len(), 1);
    assert!(
        store
            .move_lease(
                &"lease-1".into(),
                LeaseState::Expiring,
                LeaseState::Stopped,
                4600
            )
            .await
            .unwrap()
    );
    assert_eq!(next(4600).await, Some(5200));
    assert_eq!(due(5200).await, [(LeaseState::Stopped, 5200)]);
    assert!(
        !store
            .move_lease(
                &"lease-1".into(),
                LeaseState::Active,
                LeaseState::Expiring,
                5200
            )
            .await
            .unwrap()
    );
}

async fn a_renewal_counts_once_and_from_the_later_of_now_and_the_end(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    for number in [2, 3, 4] {
        store
            .reserve(
                payment(&format!("pay-{number}"), PAYER, &format!("0x{number}")),
                0,
            )
            .await
            .unwrap();
    }
    let renewal = |number: u32| Renewal {
        lease_id: "lease-1".into(),
        payment_id: format!("pay-{number}").into(),
        minutes: Minutes(10),
        grace_seconds: 600,
    };
    let early = RenewalOutcome::Renewed {
        expires_at: 4200,
        was: LeaseState::Active,
        state: LeaseState::Active,
    };
    assert_eq!(store.renew(renewal(2), 100).await.unwrap(), early);
    assert_eq!(
        store.renew(renewal(2), 200).await.unwrap(),
        early,
        "the same payment extends nothing twice"
    );
    use LeaseState::*;
    assert!(
        store
            .move_lease(&"lease-1".into(), Active, Expiring, 4200)
            .await
            .unwrap()
    );
    assert!(
        store
            .move_lease(&"lease-1".into(), Expiring, Stopped, 4200)
            .await
            .unwrap()
    );
    let late = RenewalOutcome::Renewed {
        expires_at: 5100,
        was: Stopped,
        state: Active,
    };
    assert_eq!(store.renew(renewal(3), 4500).await.unwrap(), late);
    let lease = store.lease(&"lease-1".into()).await.unwrap().unwrap();
    assert_eq!((lease.state, lease.destroy_at), (Active, Some(5700)));
    assert!(
        store
            .move_lease(&"lease-1".into(), Active, Destroying, 4600)
            .await
            .unwrap()
    );
    assert_eq!(
        store.renew(renewal(4), 4600).await.unwrap(),
        RenewalOutcome::NotRenewable
    );
}

const DAY: i64 = 24 * 3600;

async fn a_minute_keeps_the_data_for_a_minute_however_often_it_is_bought(place: Place) {
    let store = place.open().await;
    activated_for(&store, 1, 1, DAY, 0).await;
    let deadlines = async || {
        let lease = store.lease(&"lease-1".into()).await.unwrap().unwrap();
        (lease.expires_at.unwrap(), lease.destroy_at.unwrap())
    };
    assert_eq!(
        deadlines().await,
        (60, 120),
        "one minute bought one of grace"
    );

    let renewal = async |number: u32, minutes: u32, now: i64| {
        let pay = format!("pay-{number}");
        let new = payment(&pay, PAYER, &format!("0x{number}"));
        store.reserve(new, now).await.unwrap();
        let renewal = Renewal {
            lease_id: "lease-1".into(),
            payment_id: pay.into(),
            minutes: Minutes(minutes),
            grace_seconds: DAY,
        };
        // Twice, as after a crash between the renewal and its answer.
        let first = store.renew(renewal.clone(), now).await.unwrap();
        assert_eq!(store.renew(renewal, now + 5).await.unwrap(), first);
    };
    renewal(2, 2 * 24 * 60, 30).await;
    let end = 60 + 2 * DAY;
    assert_eq!(deadlines().await, (end, end + DAY), "the longest grace");
    // A minute in the middle of that day, and one at its end: the day is not taken away, and not
    // begun anew.
    renewal(3, 1, end + DAY / 2).await;
    assert_eq!(deadlines().await, (end + DAY / 2 + 60, end + DAY));
    renewal(4, 1, end + DAY - 1).await;
    assert_eq!(deadlines().await, (end + DAY + 59, end + DAY + 119));
}

async fn a_renewal_that_is_repeated_tells_what_became_of_the_lease(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    let new = payment("pay-2", PAYER, "0x2");
    store.reserve(new, 0).await.unwrap();
    let renewal = Renewal {
        lease_id: "lease-1".into(),
        payment_id: "pay-2".into(),
        minutes: Minutes(10),
        grace_seconds: 600,
    };
    store.renew(renewal.clone(), 100).await.unwrap();
    use LeaseState::*;
    for (from, to) in [(Active, Destroying), (Destroying, Destroyed)] {
        assert!(
            store
                .move_lease(&"lease-1".into(), from, to, 200)
                .await
                .unwrap()
        );
    }
    let again = RenewalOutcome::Renewed {
        expires_at: 4200,
        was: Active,
        state: Destroyed,
    };
    assert_eq!(store.renew(renewal, 300).await.unwrap(), again);
}
