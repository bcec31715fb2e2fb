//! The limits on unpaid containers.

use super::*;

on_both![
    all_replicas_together_make_so_many_and_half_are_for_wallets_that_have_paid,
    an_address_is_held_to_its_bound_whatever_wallets_it_uses,
    unpaid_machines_make_a_wallet_and_an_address_wait_and_a_paid_one_frees_the_wallet,
];

/// A claim for a payment of its own.
async fn asked(
    store: &Store,
    (number, owner, client): (u32, &str, Option<&str>),
    limits: ClaimLimits,
    now: i64,
) -> ClaimOutcome {
    let id = format!("pay-{number}");
    let new = payment(&id, owner, &format!("0x{number}"));
    store.reserve(new, now).await.unwrap();
    let claim = Claim {
        client: client.map(str::to_owned),
        ..claim(number, owner)
    };
    store.claim(claim, limits, now).await.unwrap()
}

fn is_claimed(outcome: &ClaimOutcome) -> bool {
    matches!(outcome, ClaimOutcome::Claimed { .. })
}

async fn all_replicas_together_make_so_many_and_half_are_for_wallets_that_have_paid(place: Place) {
    let store = place.open().await;
    // One wallet has paid for a lease that still runs, which is no unpaid one.
    activated(&store, 100, 0).await;
    // Where the database is shared, every other claim is another replica's.
    let other = match place.database {
        Database::Server(_) => place.open().await,
        Database::File(_) => store.clone(),
    };
    let limits = ClaimLimits {
        unpaid: 8,
        ..LIMITS
    };
    let claims: Vec<_> = (0..20_u32)
        .map(|number| {
            let store = if number % 2 == 0 { &store } else { &other }.clone();
            tokio::spawn(async move {
                let owner = format!("0xf0{number}");
                asked(&store, (number, &owner, None), limits, 0).await
            })
        })
        .collect();
    let mut made = 0;
    for claim in claims {
        match claim.await.unwrap() {
            ClaimOutcome::Claimed { .. } => made += 1,
            refused => assert_eq!(refused, ClaimOutcome::TooManyUnpaid),
        }
    }
    assert_eq!(made, 4, "fresh wallets have one half");
    for number in 30..32 {
        assert!(is_claimed(
            &asked(&other, (number, PAYER, None), limits, 0).await
        ));
    }
    let full = ClaimLimits {
        unpaid: 6,
        ..limits
    };
    let roomy = ClaimLimits {
        in_flight: 9,
        per_wallet: 9,
        ..full
    };
    let refused = asked(&store, (33, PAYER, None), roomy, 0).await;
    assert_eq!(
        refused,
        ClaimOutcome::TooManyUnpaid,
        "the bound is everybody's"
    );
}

async fn an_address_is_held_to_its_bound_whatever_wallets_it_uses(place: Place) {
    let store = place.open().await;
    let limits = ClaimLimits {
        per_client: 2,
        ..LIMITS
    };
    let (here, there) = (Some("203.0.113.7"), Some("203.0.113.8"));
    for number in [1, 2] {
        let owner = format!("0x{number}");
        assert!(is_claimed(
            &asked(&store, (number, &owner, here), limits, 0).await
        ));
    }
    let third = asked(&store, (3, "0x3", here), limits, 0).await;
    assert_eq!(third, ClaimOutcome::InFlightOfClient);
    assert!(is_claimed(
        &asked(&store, (4, "0x4", there), limits, 0).await
    ));
    assert!(is_claimed(
        &asked(&store, (5, "0x5", None), limits, 0).await
    ));

    // The address is kept no longer than it is needed.
    let client = async |id: &str| store.lease(&id.into()).await.unwrap().unwrap().client;
    assert_eq!(client("lease-1").await.as_deref(), here);
    use LeaseState::*;
    for (from, to) in [(Provisioning, Undoing), (Undoing, Destroyed)] {
        assert!(
            store
                .move_lease(&"lease-1".into(), from, to, 0)
                .await
                .unwrap()
        );
    }
    assert_eq!(client("lease-1").await, None);
    assert!(is_claimed(
        &asked(&store, (6, "0x6", here), limits, 0).await
    ));
}

async fn unpaid_machines_make_a_wallet_and_an_address_wait_and_a_paid_one_frees_the_wallet(
    place: Place,
) {
    let store = place.open().await;
    let (here, there) = (Some("203.0.113.7"), Some("203.0.113.8"));
    let unpaid = async |owner: &str, client: Option<&str>, now| {
        store
            .record_unpaid(&wallet(owner), client, now)
            .await
            .unwrap();
    };
    unpaid("0xAA", here, 0).await;
    assert!(
        is_claimed(&asked(&store, (1, PAYER, there), LIMITS, 0).await),
        "the first is excused"
    );
    unpaid(PAYER, here, 10).await;
    let blocked = |until| ClaimOutcome::Blocked { until };
    assert_eq!(
        asked(&store, (2, PAYER, there), LIMITS, 10).await,
        blocked(40)
    );
    assert_eq!(
        asked(&store, (3, PAYER, there), LIMITS, 39).await,
        blocked(40)
    );
    assert!(
        is_claimed(&asked(&store, (4, "0xbb", here), LIMITS, 10).await),
        "two are excused for an address"
    );
    unpaid(PAYER, here, 40).await;
    assert_eq!(
        asked(&store, (5, PAYER, None), LIMITS, 40).await,
        blocked(100)
    );

    // The fourth from one address stands against every wallet there, and no other address.
    unpaid("0xcc", here, 40).await;
    assert_eq!(
        asked(&store, (6, "0xdd", here), LIMITS, 40).await,
        blocked(70)
    );
    assert!(is_claimed(
        &asked(&store, (7, "0xee", there), LIMITS, 40).await
    ));
    assert!(is_claimed(
        &asked(&store, (8, "0xdd", here), LIMITS, 70).await
    ));

    // A container that is paid for at last.
    use LeaseState::*;
    for (from, to) in [
        (Provisioning, CreateSent),
        (CreateSent, Created),
        (Created, Probed),
    ] {
        assert!(
            store
                .move_lease(&"lease-1".into(), from, to, 50)
                .await
                .unwrap()
        );
    }
    assert!(store.mark_settling(&"pay-1".into(), 50).await.unwrap());
    assert!(
        store
            .mark_settled(&"pay-1".into(), reported("0xfeed"), 50)
            .await
            .unwrap()
    );
    assert!(
        store
            .activate_lease(&"lease-1".into(), &"pay-1".into(), 600, 50)
            .await
            .unwrap()
    );
    assert_eq!(
        store
            .lease(&"lease-1".into())
            .await
            .unwrap()
            .unwrap()
            .client,
        None
    );
    assert!(is_claimed(
        &asked(&store, (9, PAYER, there), LIMITS, 50).await
    ));

    // After a quiet day everything is forgotten.
    let tomorrow = 40 + crate::brake::FORGET_AFTER;
    for number in 0..4 {
        unpaid(&format!("0xf{number}"), Some("203.0.113.9"), tomorrow).await;
    }
    unpaid("0xf9", here, tomorrow).await;
    let again = asked(&store, (10, "0xdd", here), LIMITS, tomorrow).await;
    assert!(is_claimed(&again), "{again:?}");
}
