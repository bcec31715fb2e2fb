//! The promises of the store, on real files.

mod leases;
mod payments;
mod upkeep;

use std::collections::HashSet;

use tempfile::TempDir;

use super::*;
use crate::lease::LeaseState;

const PAYER: &str = "0xaa";
const LIMITS: ClaimLimits = ClaimLimits {
    in_flight: 2,
    per_wallet: 3,
    reserved: 1_000_000,
};

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    (folder, store)
}

fn payment(id: &str, payer: &str, nonce: &str) -> NewPayment {
    NewPayment {
        payment_id: id.into(),
        network: "eip155:84532".into(),
        asset: "0xA55E".into(),
        payer: payer.into(),
        nonce: nonce.into(),
        digest: "digest".into(),
        idempotency_key: None,
        amount: 1000,
        pay_to: "0xbb".into(),
        valid_before: 300,
        request: SignedRequest("{\"signature\":\"0xab\"}".into()),
        operation: "lease".into(),
        arguments: "{}".into(),
        lease_id: None,
    }
}

fn claim(number: u32, owner: &str) -> Claim {
    Claim {
        lease_id: format!("lease-{number}"),
        payment_id: format!("pay-{number}"),
        node: "pve".into(),
        owner: owner.into(),
        sku: "small".into(),
        template: "debian-12-standard".into(),
        hostname: "box".into(),
        cores: 1,
        memory_mb: 512,
        disk_gb: 8,
        minutes: 60,
        vmids: 500..=531,
        busy: HashSet::from([500]),
    }
}

async fn claimed(store: &Store, number: u32, owner: &str) -> ClaimOutcome {
    let id = format!("pay-{number}");
    store
        .reserve(payment(&id, owner, &format!("0x{number}")), 0)
        .await
        .unwrap();
    store
        .claim_lease(claim(number, owner), LIMITS, 0)
        .await
        .unwrap()
}

fn answer() -> Answer {
    Answer {
        status: 200,
        body: "secret".into(),
    }
}

/// Takes lease `number` through every step up to `active` at time `now`.
async fn activated(store: &Store, number: u32, now: i64) {
    use LeaseState::*;
    let (lease, pay) = (format!("lease-{number}"), format!("pay-{number}"));
    assert!(matches!(
        claimed(store, number, PAYER).await,
        ClaimOutcome::Claimed { .. }
    ));
    for (from, to) in [
        (Provisioning, CreateSent),
        (CreateSent, Created),
        (Created, Probed),
        (Probed, Settling),
    ] {
        assert!(store.move_lease(&lease, from, to, now).await.unwrap());
    }
    assert!(store.mark_settling(&pay, now).await.unwrap());
    assert!(
        !store
            .activate_lease(&lease, None, 600, answer(), now)
            .await
            .unwrap(),
        "not before the money moved"
    );
    assert!(store.mark_settled(&pay, "0xfeed", now).await.unwrap());
    assert!(
        store
            .activate_lease(&lease, None, 600, answer(), now)
            .await
            .unwrap()
    );
    assert!(
        !store
            .activate_lease(&lease, None, 600, answer(), now + 9)
            .await
            .unwrap(),
        "only once"
    );
}
