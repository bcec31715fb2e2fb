//! Which VMID and which address a lease gets, and when they are free again.

use std::collections::BTreeSet;

use super::*;

on_both![
    no_vmid_is_handed_out_twice,
    the_number_that_was_freed_last_is_used_again_last,
    an_address_is_one_leases_and_rests_for_an_hour,
    addresses_of_a_probe_are_no_leases_until_they_are_given_back,
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
    // 500 belongs to a guest of another owner.
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

/// Undoes an unpaid lease.
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
    // 500 belongs to a guest of another owner. Unused numbers come before those that were just
    // freed.
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
    // One that was killed has perhaps left its containers: no lease, and no probe, gets their
    // addresses.
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
