//! Calls every method of the store once, so that a test can count the work of each. A new method of
//! [`Store`] is called here, or the test fails.

use alloy::primitives::{Address, B256, Bytes};
use api_types::{PortAccess, TrafficStep};
use x402::facilitator::onchain::{PaymentKey, Sent, SentStore as _};

use super::super::*;

mod credit;
mod money;
mod visitors;

/// Long after all of the history, and before its sign-ins end.
pub(super) const NOW: i64 = 1_000_000;

pub(super) async fn take(store: &Store) {
    sign_in(store).await;
    lease(store).await;
    look_after(store).await;
    visitors::let_in(store).await;
    money::pay(store).await;
    show(store).await;
    renew_and_end(store).await;
    sweep(store).await;
    money::keep_books(store).await;
    credit::spend(store).await;
}

async fn sign_in(store: &Store) {
    let later = NOW + 300;
    store.create_challenge("text", later, NOW).await.unwrap();
    assert!(store.consume_challenge("text", NOW).await.unwrap());
    let payer = wallet(PAYER);
    store
        .create_session("token", &payer, later, NOW)
        .await
        .unwrap();
    assert!(store.session_wallet("token", NOW).await.unwrap().is_some());
    store.end_session("token").await.unwrap();
}

/// A claim by a wallet that has bought much, for an address of the pool.
async fn claim_one(store: &Store, number: u32, limits: ClaimLimits) -> ClaimOutcome {
    let id = format!("pay-{number}");
    let new = NewPayment {
        idempotency_key: Some(format!("a-key-of-{number}")),
        ..payment(&id, PAYER, &format!("0x{number}"))
    };
    store.reserve(new, NOW).await.unwrap();
    let address = |last| std::net::Ipv4Addr::new(10, 64, 0, last);
    let claim = Claim {
        client: Some("192.0.2.7".into()),
        addresses: Some(AddressPool {
            range: address(2)..=address(250),
            others: Vec::new(),
        }),
        ..claim(number, PAYER)
    };
    store.claim(claim, limits, NOW).await.unwrap()
}

async fn lease(store: &Store) {
    use LeaseState::*;
    // The last number that is new, then the one whose last use is the longest ago.
    for number in [1, 2] {
        let claimed = claim_one(store, number, LIMITS).await;
        assert!(matches!(claimed, ClaimOutcome::Claimed { .. }));
    }
    let full = ClaimLimits {
        in_flight: 9,
        unpaid: 3,
        ..LIMITS
    };
    assert!(matches!(
        claim_one(store, 3, full).await,
        ClaimOutcome::Claimed { .. }
    ));
    let (third, elsewhere) = (LeaseId::from("lease-3"), node("pve2"));
    let moved = store.reassign_lease(&third, &elsewhere, 500..=531, HashSet::new(), NOW);
    assert!(moved.await.unwrap().is_some());
    let everything = (500..=531).map(vmid).collect();
    let none = store.reassign_lease(&third, &elsewhere, 500..=531, everything, NOW);
    assert_eq!(none.await.unwrap(), None);
    let made = MadeContainer {
        mac: Some("aa:bb".into()),
        has_ssh_key: true,
        host_keys: None,
    };
    for number in [1, 2] {
        let id = LeaseId::from(format!("lease-{number}"));
        let pay = PaymentId::from(format!("pay-{number}"));
        let sent = store.move_lease(&id, Provisioning, CreateSent, NOW);
        assert!(sent.await.unwrap());
        let made = store.container_made(&id, made.clone(), NOW);
        assert!(made.await.unwrap());
        store.keep_link_down(&id, NOW + 60).await.unwrap();
        assert!(store.move_lease(&id, Created, Probed, NOW).await.unwrap());
        assert!(store.mark_settling(&pay, NOW).await.unwrap());
        let transfer = seen(&format!("0x77{number}"), 1);
        assert!(store.mark_settled(&pay, transfer, NOW).await.unwrap());
        let active = store.activate_lease(&id, &pay, 600, NOW);
        assert!(active.await.unwrap());
    }
    let payer = wallet(PAYER);
    for _ in 0..2 {
        let unpaid = store.record_unpaid(&payer, Some("192.0.2.7"), NOW);
        unpaid.await.unwrap();
    }
    let blocked = claim_one(store, 4, LIMITS).await;
    assert!(matches!(blocked, ClaimOutcome::Blocked { .. }));
}

async fn look_after(store: &Store) {
    let id = LeaseId::from("lease-1");
    assert!(store.set_ip(&id, "10.0.0.9", NOW).await.unwrap());
    assert!(store.mac_of(&id).await.unwrap().is_some());
    store.set_mac(&id, "aa:cc").await.unwrap();
    store.set_ssh_access(&id, "ed25519=SHA256:x").await.unwrap();
    let lease = store.lease(&id).await.unwrap().unwrap();
    assert_eq!(lease.host_keys.as_deref(), Some("ed25519=SHA256:x"));
    assert!(lease.has_ssh_key);
    assert!(store.set_node(&id, &node("pve3"), NOW).await.unwrap());
    assert_eq!(store.links_kept_down().await.unwrap().len(), 2);
    assert!(store.is_link_kept_down(&id).await.unwrap());
    store.link_is_up(&id).await.unwrap();
    store.saw_running(vec![id.clone()], NOW).await.unwrap();
    assert_eq!(store.running_seen().await.unwrap().len(), 2);
    store.saw_stopped(vec![id.clone()]).await.unwrap();
    store.record_gone(&id, NOW).await.unwrap();
    assert_eq!(store.gone_containers().await.unwrap().len(), 1);
    store.record_found(&id).await.unwrap();
    store.orphan_since(vmid(900), &id, NOW).await.unwrap();
    assert_eq!(store.orphans().await.unwrap().len(), 1);
    store.forget_orphans(vec![vmid(900)]).await.unwrap();
    assert!(store.running_seen_of(&id).await.unwrap().is_none());
    assert!(store.gone_since(&id).await.unwrap().is_none());
    let trouble = [(id.clone(), "gone")].into_iter().collect();
    store.set_troubles(trouble).await.unwrap();
    assert_eq!(store.troubles().await.unwrap().len(), 1);
    let look = CounterSample {
        lease_id: id.clone(),
        counters: Counters::default(),
    };
    for at in [NOW, NOW + 60] {
        store.count_traffic(vec![look.clone()], at).await.unwrap();
    }
    store
        .keep_interface(&id, SavedInterface::default())
        .await
        .unwrap();
    let change = TrafficChange {
        lease_id: id.clone(),
        from: TrafficStep::Full,
        to: TrafficStep::Slowed,
        kept: SavedInterface::default(),
        event: ("traffic_slowed", "{}".into()),
    };
    assert!(store.set_traffic_step(change, NOW).await.unwrap());
    assert_eq!(store.traffic_of_live().await.unwrap().len(), 2);
    assert!(store.traffic(&id).await.unwrap().is_some());
    let limited = store.limited_traffic(&wallet(PAYER)).await.unwrap();
    assert_eq!(limited.len(), 1);
    let counts = store.lease_counts().await.unwrap();
    assert_eq!(counts["active"], 2);
    assert_eq!(store.leased_numbers().await.unwrap().len(), 2);
    assert_eq!(store.live_leases().await.unwrap().len(), 3);
    assert!(store.next_end(300, NOW).await.unwrap().is_some());
    assert_eq!(store.ends_due(NOW).await.unwrap(), []);
    assert_eq!(store.unfinished_leases().await.unwrap().len(), 1);
    assert_eq!(store.held_containers().await.unwrap(), []);
    store.held_power(&id).await.unwrap();
    let stopping = store.set_held_power(&id, HeldPower::Stopping);
    assert!(!stopping.await.unwrap());
    assert!(!store.give_up_held(&id, NOW).await.unwrap());
    let pool = AddressPool {
        range: [10, 64, 0, 2].into()..=[10, 64, 0, 250].into(),
        others: Vec::new(),
    };
    let probe = store.claim_probe_addresses("probe", pool, 2, NOW);
    assert!(matches!(probe.await.unwrap(), ProbeClaim::Claimed(_)));
    store.release_probe_addresses("probe").await.unwrap();
    assert_eq!(store.live_addresses().await.unwrap().len(), 3);
}

async fn show(store: &Store) {
    let payer = wallet(PAYER);
    let page = store.payments_by_payer(&payer, None, 5).await.unwrap();
    assert_eq!(page.len(), 5);
    let last = &page[4].payment_id;
    let next = store.payments_by_payer(&payer, Some(last), 5).await;
    assert_eq!(next.unwrap().len(), 5);
    assert_eq!(store.live_leases_of(&payer).await.unwrap().len(), 3);
    let page = store.ended_leases_of(&payer, None, 3).await.unwrap();
    let last = &page[2].lease.lease_id;
    let next = store.ended_leases_of(&payer, Some(last), 3).await;
    assert_eq!(next.unwrap().len(), 3);
    let lease = store.lease(&"lease-1".into()).await.unwrap().unwrap();
    assert_eq!(store.paid_for(&lease).await.unwrap(), 1000);
    let known = store.last_lease_of(&payer, lease.vmid).await.unwrap();
    assert_eq!(known.unwrap().lease_id, lease.lease_id);
    let unknown = store.last_lease_of(&payer, vmid(999)).await.unwrap();
    assert_eq!(unknown, None);
    assert!(store.lease_by_vmid(lease.vmid).await.unwrap().is_some());
    assert!(!store.events("lease-1", 0, 9).await.unwrap().is_empty());
}

async fn renew_and_end(store: &Store) {
    use LeaseState::*;
    let new = payment("pay-5", PAYER, "0x5");
    store.reserve(new, NOW).await.unwrap();
    let renewal = Renewal {
        lease_id: "lease-1".into(),
        payment_id: "pay-5".into(),
        minutes: Minutes(10),
        grace_seconds: 600,
    };
    for _ in 0..2 {
        store.renew(renewal.clone(), NOW).await.unwrap();
    }
    assert!(store.has_renewed(&"pay-5".into()).await.unwrap());
    let warned = store
        .warn_of_ends(i64::from(u32::MAX), NOW, 9)
        .await
        .unwrap();
    assert!(!warned.is_empty());
    let lost = store
        .end_lost_lease(&"lease-1".into(), NOW, NOW)
        .await
        .unwrap();
    assert!(lost.is_some());
    for (from, to) in [(Active, Destroying), (Destroying, Destroyed)] {
        let moved = store.move_lease(&"lease-2".into(), from, to, NOW).await;
        assert!(moved.unwrap());
    }
}

async fn sweep(store: &Store) {
    use LeaseState::*;
    // A payment that is released with its lease, one that is refused, and one that has no row.
    let released = store.mark_released(&"pay-3".into(), "create", NOW).await;
    assert!(released.unwrap());
    assert_eq!(store.abandoned_leases(NOW).await.unwrap().len(), 1);
    for (from, to) in [(Provisioning, Undoing), (Undoing, Destroyed)] {
        let moved = store.move_lease(&"lease-3".into(), from, to, NOW).await;
        assert!(moved.unwrap());
    }
    for (id, nonce) in [("pay-6", "0x6"), ("pay-7", "0x7")] {
        let new = payment(id, PAYER, nonce);
        store.reserve(new, NOW).await.unwrap();
        assert!(store.mark_settling(&id.into(), NOW).await.unwrap());
    }
    let refused = store.mark_refused(&"pay-6".into(), "balance", NOW).await;
    assert!(refused.unwrap());
    let lost = store
        .mark_unresolved(&"pay-7".into(), "unreachable", NOW)
        .await;
    assert!(lost.unwrap());
    assert!(!store.unfinished_payments().await.unwrap().is_empty());
    assert_eq!(store.unresolved_payments().await.unwrap().len(), 1);
    let unresolved = store.unresolved_to_look_for(NOW).await.unwrap();
    assert_eq!(unresolved.len(), 1);
    assert_eq!(store.refusals_to_check(NOW).await.unwrap().len(), 1);
    assert!(!store.transfers_to_check(NOW).await.unwrap().is_empty());
    assert!(store.mark_checked(&"pay-6".into(), NOW).await.unwrap());
    assert_eq!(store.remove_released(NOW).await.unwrap(), 1);
    let day = NOW - 24 * 3600;
    assert!(store.blank_answers(day, day).await.unwrap() > 0);
}
