//! VMIDs, bounds, deadlines and renewals.

use std::collections::BTreeSet;

use super::*;

on_both![
    no_vmid_is_handed_out_twice,
    a_payer_is_held_to_the_bounds,
    a_lease_warns_stops_and_goes_at_its_deadlines,
    a_renewal_counts_once_and_from_the_later_of_now_and_the_end,
    the_number_that_was_freed_last_is_used_again_last,
    an_address_is_one_leases_and_rests_for_an_hour,
    addresses_of_a_probe_are_no_leases_until_they_are_given_back,
    a_renewal_that_is_repeated_tells_what_became_of_the_lease,
    a_minute_keeps_the_data_for_a_minute_however_often_it_is_bought,
];

async fn no_vmid_is_handed_out_twice(place: Place) {
    let store = place.open().await;
    let claims: Vec<_> = (0..40)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { claimed(&store, i, &format!("0x{i}")).await })
        })
        .collect();
    let (mut vmids, mut full) = (Vec::new(), 0);
    for claim in claims {
        match claim.await.unwrap() {
            ClaimOutcome::Claimed { vmid } => vmids.push(vmid),
            other => {
                assert_eq!(other, ClaimOutcome::NoVmid);
                full += 1;
            }
        }
    }
    // 500 is used by somebody else.
    assert_eq!((vmids.len(), full), (31, 9));
    assert_eq!(
        vmids.into_iter().collect::<BTreeSet<_>>(),
        (501..=531).map(vmid).collect()
    );
    let lease = store.lease_by_vmid(vmid(510)).await.unwrap().unwrap();
    use LeaseState::*;
    for (from, to) in [(Provisioning, Undoing), (Undoing, Destroyed)] {
        assert!(
            store
                .move_lease(&lease.lease_id, from, to, 1)
                .await
                .unwrap()
        );
    }
    assert_eq!(
        claimed(&store, 99, "0x99").await,
        ClaimOutcome::Claimed { vmid: vmid(510) },
        "free once destroyed"
    );
}

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
    // A minute in the middle of that day, and one at its end: the day is not taken away, and not begun anew.
    renewal(3, 1, end + DAY / 2).await;
    assert_eq!(deadlines().await, (end + DAY / 2 + 60, end + DAY));
    renewal(4, 1, end + DAY - 1).await;
    assert_eq!(deadlines().await, (end + DAY + 59, end + DAY + 119));
}

/// Takes a lease that nobody has paid for away.
async fn destroyed(store: &Store, number: u32, now: i64) {
    use LeaseState::*;
    let lease: LeaseId = format!("lease-{number}").into();
    for (from, to) in [(Provisioning, Undoing), (Undoing, Destroyed)] {
        assert!(store.move_lease(&lease, from, to, now).await.unwrap());
    }
}

async fn the_number_that_was_freed_last_is_used_again_last(place: Place) {
    let store = place.open().await;
    let leased = async |number: u32| {
        let id = format!("pay-{number}");
        let owner = format!("0x{number}");
        store
            .reserve(payment(&id, &owner, &owner), 0)
            .await
            .unwrap();
        let claim = Claim {
            vmids: 500..=504,
            ..claim(number, &owner)
        };
        match store.claim(claim, LIMITS, 0).await.unwrap() {
            ClaimOutcome::Claimed { vmid } => vmid.get(),
            other => panic!("{other:?}"),
        }
    };
    // 500 is used by somebody else. What was never used comes before what was just freed.
    assert_eq!((leased(1).await, leased(2).await), (501, 502));
    destroyed(&store, 1, 0).await;
    assert_eq!((leased(3).await, leased(4).await), (503, 504));
    // All in the same second: the order of their ends counts.
    for number in [4, 2, 3] {
        destroyed(&store, number, 0).await;
    }
    assert_eq!(leased(5).await, 501);
    assert_eq!((leased(6).await, leased(7).await), (504, 502));
    destroyed(&store, 6, 0).await;
    assert_eq!((leased(8).await, leased(9).await), (503, 504));

    // A number that Proxmox refused is given up, and counts as used just then.
    destroyed(&store, 5, 0).await;
    destroyed(&store, 8, 0).await;
    assert_eq!(leased(10).await, 501);
    let busy = HashSet::from([500, 501].map(vmid));
    let pve = node("pve");
    let lease = "lease-10".into();
    let other = store.reassign_lease(&lease, &pve, 500..=504, busy, 0);
    assert_eq!(other.await.unwrap(), Some(vmid(503)));
    assert_eq!(leased(11).await, 501);
}

async fn an_address_is_one_leases_and_rests_for_an_hour(place: Place) {
    let store = place.open().await;
    let pool = AddressPool {
        range: [10, 64, 0, 1].into()..=[10, 64, 0, 7].into(),
        others: [
            "10.64.0.2/32",
            "10.64.0.5/32",
            "10.64.0.6/31",
            "fd00::1/128",
        ]
        .map(|others| others.parse().unwrap())
        .into(),
    };
    let leased = async |number: u32, now: i64| {
        let id = format!("pay-{number}");
        let owner = format!("0x{number}");
        let new = payment(&id, &owner, &owner);
        store.reserve(new, 0).await.unwrap();
        let claim = Claim {
            addresses: Some(pool.clone()),
            ..claim(number, &owner)
        };
        match store.claim(claim, LIMITS, now).await.unwrap() {
            ClaimOutcome::Claimed { .. } => {
                let lease = store
                    .lease(&format!("lease-{number}").into())
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(lease.ip, lease.address, "it is known before the start");
                lease.address
            }
            ClaimOutcome::NoAddress => None,
            other => panic!("{other:?}"),
        }
    };
    let address = |last: u8| Some(format!("10.64.0.{last}"));
    assert_eq!(leased(1, 0).await, address(1));
    assert_eq!(leased(2, 0).await, address(3), "the router's is none");
    assert_eq!(leased(3, 0).await, address(4));
    assert_eq!(leased(4, 0).await, None);
    // Made, and so on the bridge.
    store
        .set_mac(&"lease-2".into(), "BC:24:11:00:00:02")
        .await
        .unwrap();
    destroyed(&store, 2, 1000).await;
    assert_eq!(leased(5, 4599).await, None, "it rests");
    assert_eq!(leased(6, 4600).await, address(3));
    // Never made, or made and never put on the bridge: nothing was ever sent to it.
    destroyed(&store, 1, 5000).await;
    assert_eq!(leased(7, 5000).await, address(1));
    store
        .set_mac(&"lease-3".into(), "BC:24:11:00:00:03")
        .await
        .unwrap();
    store.keep_link_down(&"lease-3".into(), 5012).await.unwrap();
    destroyed(&store, 3, 5001).await;
    assert_eq!(leased(8, 5001).await, address(4));
}

async fn addresses_of_a_probe_are_no_leases_until_they_are_given_back(place: Place) {
    let store = place.open().await;
    let pool = AddressPool {
        range: [10, 64, 0, 1].into()..=[10, 64, 0, 5].into(),
        others: vec!["10.64.0.1/32".parse().unwrap()],
    };
    let leased = async |number: u32, now: i64| {
        let id = format!("pay-{number}");
        let owner = format!("0x{number}");
        let new = payment(&id, &owner, &owner);
        store.reserve(new, 0).await.unwrap();
        let claim = Claim {
            addresses: Some(pool.clone()),
            ..claim(number, &owner)
        };
        store.claim(claim, LIMITS, now).await.unwrap();
        let lease = store
            .lease(&format!("lease-{number}").into())
            .await
            .unwrap();
        lease.and_then(|lease| lease.address)
    };
    let probe = async |id: &str, number, now| {
        let claimed = store.claim_probe_addresses(id, pool.clone(), number, now);
        claimed.await.unwrap()
    };
    let address = |last: u8| std::net::Ipv4Addr::new(10, 64, 0, last);
    let text = |last: u8| Some(address(last).to_string());
    assert_eq!(leased(1, 0).await, text(2));
    assert_eq!(probe("one", 4, 10).await, ProbeClaim::TooFew);
    let both = ProbeClaim::Claimed(vec![address(5), address(4)]);
    assert_eq!(probe("one", 2, 10).await, both);
    assert_eq!(leased(2, 10).await, text(3));
    assert_eq!(leased(3, 10).await, None, "the rest are the probe's");
    assert_eq!(probe("two", 1, 3609).await, ProbeClaim::Busy(10));
    // One that was killed has perhaps left its containers: no lease, and no probe, gets their addresses.
    assert_eq!(leased(4, 100_000).await, None);
    assert_eq!(probe("two", 1, 100_000).await, ProbeClaim::TooFew);
    store.release_probe_addresses("two").await.unwrap();
    assert_eq!(leased(5, 100_000).await, None, "they are not its own");
    store.release_probe_addresses("one").await.unwrap();
    assert_eq!(leased(6, 100_000).await, text(4));
    let live = store.live_addresses().await.unwrap();
    let live: Vec<_> = live.into_iter().map(|(_, address)| address).collect();
    assert_eq!(live, [address(2), address(3), address(4)]);
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
