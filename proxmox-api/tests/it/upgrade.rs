//! A database of the release before debts, with a payment in every state. After the upgrade each
//! payment ends as its money requires.

use std::{path::Path, time::Duration};

use proxmox_api::store::{Payment, PaymentState};
use reqwest::Method;
use rusqlite::{Connection, params};
use serde_json::json;
use x402::{facilitator::FacilitatorRequest, payment::Payment as Signed, payment::Version};

use crate::{
    buyer::Buyer,
    support::{TestApp, until},
};

/// The schema of the release before debts.
pub const SCHEMA: [&str; 3] = [
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_console_tickets.sql"),
    include_str!("../../migrations/0003_paid_by_lease.sql"),
];

/// A database as that release left it.
struct Old {
    rows: Connection,
    now: i64,
}

impl Old {
    fn create(path: &Path, now: i64) -> Self {
        let rows = Connection::open(path).unwrap();
        for step in SCHEMA {
            rows.execute_batch(step).unwrap();
        }
        rows.pragma_update(None, "user_version", 3).unwrap();
        Self { rows, now }
    }

    /// A payment in a state, for an operation, with an answer or without.
    fn payment(&self, state: &str, operation: &str, signed: &Signed, answer: Option<&str>) {
        let Signed::V2(payload) = signed else {
            panic!("the buyer pays by version 2");
        };
        assert_eq!(signed.version(), Version::V2);
        let request = FacilitatorRequest {
            x402_version: 2,
            payment_payload: signed.clone(),
            payment_requirements: json!(payload.accepted),
        };
        let authorization = signed.authorization();
        let valid_before = i64::try_from(authorization.valid_before).unwrap();
        let lease = (operation == "lease_container").then(|| format!("lease-{state}"));
        self.rows
            .execute(
                "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest, state, amount, pay_to, valid_before,
                     request, operation, arguments, lease_id, answer_status, answer_body, created_at, updated_at)
                 VALUES (?1, 'eip155:84532', ?2, ?3, ?4, 'digest', ?5, 1000, ?6, ?7, ?8, ?9, '{}', ?10, ?11, ?12, ?13, ?13)",
                params![
                    format!("pay-{state}-{operation}"),
                    payload.accepted.asset.to_lowercase(),
                    authorization.from.to_string().to_lowercase(),
                    authorization.nonce.to_string(),
                    state,
                    payload.accepted.pay_to,
                    valid_before,
                    serde_json::to_string(&request).unwrap(),
                    operation,
                    lease,
                    answer.map(|_| 200),
                    answer,
                    self.now
                ],
            )
            .unwrap();
    }

    /// The transfer of a payment in the demo's ledger.
    fn moved(&self, signed: &Signed) {
        let Signed::V2(payload) = signed else {
            panic!("the buyer pays by version 2");
        };
        let authorization = signed.authorization();
        self.rows
            .execute(
                "INSERT INTO demo_transfers (transaction_hash, network, asset, sender, nonce, recipient, amount, at)
                 VALUES (?1, 'eip155:84532', ?2, ?3, ?4, ?5, 1000, ?6)",
                params![
                    authorization.nonce.to_string(),
                    payload.accepted.asset.to_lowercase(),
                    authorization.from.to_string().to_lowercase(),
                    authorization.nonce.to_string(),
                    authorization.to.to_string().to_lowercase(),
                    self.now
                ],
            )
            .unwrap();
    }

    /// A lease in the making whose container is gone.
    fn lease(&self, payment: &str, state: &str, owner: &Buyer) {
        self.rows
            .execute(
                "INSERT INTO leases (lease_id, vmid, node, owner, state, sku, template, hostname, cores, memory_mb, disk_gb,
                     minutes, payment_id, created_at, updated_at)
                 VALUES (?1, 40200, 'pve', ?2, ?3, 'small', 'debian', 'box', 1, 512, 8, 60, ?4, ?5, ?5)",
                params![
                    format!("lease-{state}"),
                    owner.wallet().to_string().to_lowercase(),
                    state,
                    payment,
                    self.now
                ],
            )
            .unwrap();
    }
}

#[tokio::test]
async fn each_payment_of_the_release_before_ends_where_its_money_says() {
    let new = TestApp::start().await;
    let buyer = Buyer::funded(&new, 1).await;
    let sign = async || {
        let signed = buyer
            .sign(&new, Method::GET, "/management/list", None)
            .await;
        signed.payment
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.sqlite");
    let old = Old::create(&file, new.app.now());
    let answer = "{\"leases\":[]}";
    for (state, answer) in [
        ("reserved", None),
        ("verified", None),
        ("settling", None),
        ("refused", None),
        ("released", None),
        ("settled", None),
        ("answered", Some(answer)),
    ] {
        old.payment(state, "list", &sign().await, answer);
    }
    let moved = sign().await;
    old.payment("unknown", "list", &moved, None);
    old.moved(&moved);
    let moved = sign().await;
    old.payment("unknown", "lease_container", &moved, None);
    old.moved(&moved);
    old.lease("pay-unknown-lease_container", "unknown", &buyer);
    drop(old);

    let app = TestApp::with(&[("DATABASE", file.to_str().unwrap())]).await;
    let store = &app.app.store;
    let row = async |id: &str| -> Payment { store.payment(&id.into()).await.unwrap().unwrap() };
    let ends = async |id: &str, state: PaymentState| {
        until(&format!("{id} to be {}", state.as_str()), async || {
            (row(id).await.state == state).then_some(())
        })
        .await;
    };
    ends("pay-reserved-list", PaymentState::Released).await;
    ends("pay-verified-list", PaymentState::Released).await;
    // The container is gone, and the money has moved.
    ends("pay-unknown-lease_container", PaymentState::Answered).await;
    let debts = store
        .debts_of(&"pay-unknown-lease_container".into())
        .await
        .unwrap();
    assert_eq!(
        (debts[0].reason.as_str(), debts[0].amount),
        ("lease_ended", 1000)
    );
    ends("pay-unknown-list", PaymentState::Settled).await;
    assert_eq!(row("pay-answered-list").await.answer.unwrap().body, answer);
    assert_eq!(row("pay-refused-list").await.state, PaymentState::Refused);

    app.clock.advance(Duration::from_secs(20 * 60));
    // Its wallet has no money, and its window is over.
    ends("pay-settling-list", PaymentState::Refused).await;
    for id in ["pay-unknown-list", "pay-settled-list"] {
        ends(id, PaymentState::Answered).await;
        let debts = store.debts_of(&id.into()).await.unwrap();
        assert_eq!(
            (debts.len(), debts[0].reason.as_str()),
            (1, "undelivered"),
            "{id}"
        );
    }
    assert!(
        store
            .debts_of(&"pay-answered-list".into())
            .await
            .unwrap()
            .is_empty()
    );
    app.clock.advance(Duration::from_secs(90 * 60));
    until("what was given back to be removed", async || {
        store
            .payment(&"pay-released-list".into())
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
    assert!(store.unfinished_payments().await.unwrap().is_empty());
    until(
        "the lease whose payment is owed to give its number back",
        async || {
            store
                .lease_by_vmid(40_200_u32.try_into().unwrap())
                .await
                .unwrap()
                .is_none()
                .then_some(())
        },
    )
    .await;
}
