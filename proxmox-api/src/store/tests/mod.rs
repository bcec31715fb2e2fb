//! The promises of the store, on real files and on a real PostgreSQL.

mod backup;
mod bounded;
mod brakes;
mod copying;
mod credit;
mod debts;
mod ends;
mod every_table;
mod leases;
mod migration;
mod numbers;
mod overtaken;
mod payments;
#[path = "../../../tests/postgres/mod.rs"]
mod postgres;
mod races;
mod read_only;
mod replicas;
mod retention;
mod returns;
mod sent_transactions;
mod texts;
mod traffic;
mod transactions;
mod transitions;
mod upkeep;

use std::collections::HashSet;

use pve::{NodeName, Vmid};
use tempfile::TempDir;
use x402::facilitator::TransferEvidence;

use super::{schema::STEPS, *};
use crate::{
    ids::{KeyId, LeaseId, Minutes, PaymentId, Wallet},
    store::LeaseState,
};

const PAYER: &str = "0x00000000000000000000000000000000000000aa";
const LIMITS: ClaimLimits = ClaimLimits {
    in_flight: 2,
    per_wallet: 3,
    reserved: 1_000_000,
    per_client: 100,
    unpaid: 100,
};

/// A database of a test's own.
struct Place {
    database: Database,
    _folder: Option<TempDir>,
}

impl Place {
    fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            database: Database::File(folder.path().join("store.db")),
            _folder: Some(folder),
        }
    }

    async fn server() -> Self {
        service::crypto::install_ring_provider();
        let made = tokio::task::spawn_blocking(|| {
            let server = postgres::Postgres::shared();
            server.url("postgres", &server.empty(), "sslmode=disable")
        });
        Self {
            database: Database::parse(&made.await.unwrap()).unwrap(),
            _folder: None,
        }
    }

    /// An empty one of the same kind.
    async fn another(&self) -> Self {
        match self.database {
            Database::File(_) => Self::file(),
            Database::Server(_) => Self::server().await,
        }
    }

    async fn open(&self) -> Store {
        Store::open_database(&self.database).await.unwrap()
    }
}

/// Runs each test on a file, and on a server where one is installed.
macro_rules! on_both {
    ($($story:ident),* $(,)?) => { $(mod $story {
        use super::Place;

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_sqlite() {
            super::$story(Place::file()).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
        async fn on_postgres() {
            super::$story(Place::server().await).await;
        }
    })* };
}
use on_both;

fn open_file() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    (folder, store)
}

fn vmid(number: u32) -> Vmid {
    Vmid::try_from(number).unwrap()
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A wallet by the last digits of its address.
fn wallet(digits: &str) -> Wallet {
    format!("0x{:0>40}", &digits[2..]).parse().unwrap()
}

fn payment(id: &str, payer: &str, nonce: &str) -> NewPayment {
    NewPayment {
        payment_id: id.into(),
        network: "eip155:84532".into(),
        asset: "0xA55E".into(),
        payer: wallet(payer),
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
        lease_id: format!("lease-{number}").into(),
        payment_id: format!("pay-{number}").into(),
        owner: wallet(owner),
        busy: HashSet::from([vmid(500)]),
        ..Claim::example()
    }
}

async fn claimed(store: &Store, number: u32, owner: &str) -> ClaimOutcome {
    let id = format!("pay-{number}");
    store
        .reserve(payment(&id, owner, &format!("0x{number}")), 0)
        .await
        .unwrap();
    store.claim(claim(number, owner), LIMITS, 0).await.unwrap()
}

/// A transfer as a facilitator reports it.
fn reported(transaction: &str) -> TransferEvidence {
    TransferEvidence {
        transaction: transaction.into(),
        log_index: None,
        block: None,
    }
}

/// The same as it is found on a chain.
fn seen(transaction: &str, log_index: u64) -> TransferEvidence {
    TransferEvidence {
        log_index: Some(log_index),
        block: Some(7),
        ..reported(transaction)
    }
}

fn answer() -> StoredAnswer {
    StoredAnswer {
        status: 200,
        body: "secret".into(),
    }
}

/// Takes lease `number` through every step up to `active` at time `now`.
async fn activated(store: &Store, number: u32, now: i64) {
    activated_for(store, number, 60, 600, now).await;
}

/// The same for so many minutes, with a grace of at most so many seconds.
async fn activated_for(store: &Store, number: u32, minutes: u32, grace: i64, now: i64) {
    use LeaseState::*;
    let lease: LeaseId = format!("lease-{number}").into();
    let pay: PaymentId = format!("pay-{number}").into();
    let new = payment(&pay, PAYER, &format!("0x{number}"));
    store.reserve(new, 0).await.unwrap();
    let claim = Claim {
        minutes: Minutes(minutes),
        ..claim(number, PAYER)
    };
    let claimed = store.claim(claim, LIMITS, 0).await.unwrap();
    assert!(matches!(claimed, ClaimOutcome::Claimed { .. }));
    for (from, to) in [
        (Provisioning, CreateSent),
        (CreateSent, Created),
        (Created, Probed),
    ] {
        assert!(store.move_lease(&lease, from, to, now).await.unwrap());
    }
    assert!(store.mark_settling(&pay, now).await.unwrap());
    assert!(
        !store
            .activate_lease(&lease, &pay, grace, now)
            .await
            .unwrap(),
        "not before the money moved"
    );
    assert!(
        store
            .mark_settled(&pay, reported("0xfeed"), now)
            .await
            .unwrap()
    );
    assert!(
        store
            .activate_lease(&lease, &pay, grace, now)
            .await
            .unwrap()
    );
    assert!(
        !store
            .activate_lease(&lease, &pay, grace, now + 9)
            .await
            .unwrap(),
        "only once"
    );
}
