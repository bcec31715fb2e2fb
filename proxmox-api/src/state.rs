//! What every route, operation and worker shares, made once at start.

use std::{ops::Deref, sync::Arc, time::Duration};

use api_types::Tariff;
use service::{caller::RateLimit, clock::Clock, crypto};
use tokio::sync::Notify;
use x402::facilitator::{
    Facilitator,
    cdp::{self, CdpAuth},
    demo::DemoFacilitator,
    http::{HttpFacilitator, Timeouts},
    ledger::{Ledger, MemoryLedger},
    onchain::{ChainSettings, MemorySentStore, OnchainFacilitator, SentStore, Witness},
};

use crate::{
    config::{Config, FacilitatorChoice, PaymentConfig},
    console::OpenConsoles,
    failed_payments::FailedPayments,
    host_alarms::HostAlarms,
    ids::{LeaseId, PaymentId},
    lease::{
        alarms::Alarms, backoff::Backoff, counts::RecentCounts, fence::RecentFence,
        fence_watch::OpenNodes, known_guests::KnownGuests, link_waits::LinkWaits,
        locate::RecentLooks, reboot::SeenOff,
    },
    locks::Locks,
    payment_machine::Checkpoint,
    proof_limits::ProofLimits,
    proxmox::Proxmox,
    shares::Shares,
    store::{AdvisoryLocks, Database, DemoLedger, FileLock, Store},
    tariffs::Tariffs,
    terminals,
};

/// The shared state; clones are cheap.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of [`App`].
pub struct Parts {
    /// What the process was told.
    pub config: Config,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What has to survive a restart.
    pub store: Store,
    /// Who verifies and settles.
    pub facilitator: Arc<dyn Facilitator>,
    /// Who says what became of a payment when the facilitator does not.
    pub witness: Option<Witness>,
    /// The machines.
    pub proxmox: Proxmox,
    /// Which installation this is.
    pub installation: Installation,
    /// How often somebody may use the free routes.
    pub free_calls: RateLimit,
    /// What bounds the work for signatures that only a chain or the facilitator can judge.
    pub proofs: ProofLimits,
    /// How often payments from one address may fail.
    pub failed_payments: FailedPayments,
    /// The rates, and those that were quoted until a moment ago.
    pub tariffs: Tariffs,
    /// The locks that replicas share; `None` on SQLite.
    pub advisory_locks: Option<AdvisoryLocks>,
    /// This replica's part of limits that hold for all of them.
    pub shares: Shares,
    /// One piece of work at a time on each payment, by nonce and by id.
    pub payments_in_work: Locks,
    /// One at a time who follows a payment of unknown outcome.
    pub payments_followed: Locks,
    /// One piece of work at a time on each lease, by id.
    pub leases_in_work: Locks,
    /// One replica at a time that puts the link of a lease's container up.
    pub links_in_work: Locks,
    /// Containers that were located a moment ago.
    pub looks: RecentLooks,
    /// Leases whose container needs its operator.
    pub alarms: Alarms,
    /// How many containers are leased, as it was counted a moment ago.
    pub lease_counts: RecentCounts,
    /// What the operator has to know of the host.
    pub host_alarms: HostAlarms,
    /// Containers that are seen off.
    pub seen_off: SeenOff,
    /// Containers without a lease that were looked at before.
    pub known_guests: KnownGuests,
    /// What was seen of the datacenter's firewall a moment ago.
    pub fence: RecentFence,
    /// Nodes whose containers are fenced in by nothing.
    pub open_nodes: OpenNodes,
    /// When ends of leases that failed are tried again.
    pub retries: Backoff,
    /// When containers' links may be put up.
    pub link_waits: LinkWaits,
    /// The consoles that are open, and the room for more.
    pub consoles: OpenConsoles,
    /// Wakes the expiry worker when a deadline was added or moved.
    pub deadlines_moved: Notify,
    /// Wakes the worker that puts links up.
    pub links_moved: Notify,
    /// Where tests stop the work for a payment.
    pub checkpoint: Checkpoint,
}

/// What tells this installation's containers from those of another on the same Proxmox.
#[derive(Clone)]
pub struct Installation {
    /// Written into the note of each container.
    pub id: String,
    /// The key from which made passwords are derived, so that they survive a crash without being stored.
    key: String,
}

impl Installation {
    async fn load(store: &Store) -> anyhow::Result<Self> {
        Ok(Self {
            id: store
                .installation_value_or("id", crypto::random_hex(8))
                .await?,
            key: store
                .installation_value_or("key", crypto::random_hex(32))
                .await?,
        })
    }

    /// The ticket that a payment for a console buys, which is stored as a hash only: 256 bits.
    pub fn console_ticket(&self, payment_id: &PaymentId) -> String {
        let text = format!("console:{payment_id}");
        crypto::hex(&crypto::hmac_sign(self.key.as_bytes(), text.as_bytes()))
    }

    /// The password that is made for a lease whose customer gave none: 20 letters and digits, about 115 bits.
    pub fn password(&self, lease_id: &LeaseId) -> String {
        const ALPHABET: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let tag = crypto::hmac_sign(
            self.key.as_bytes(),
            format!("password:{lease_id}").as_bytes(),
        );
        tag.iter()
            .take(20)
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect()
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Opens the store and makes everything that hangs on the configuration.
    ///
    /// # Errors
    /// The store cannot be opened, or a client cannot be made.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let store = open_store(&config).await?;
        let http = facilitator_http()?;
        let ledger = DemoLedger::new(store.clone(), config.payments.network, Arc::clone(&clock));
        let sent = Arc::new(store.clone());
        let facilitator = facilitator(&config.payments, ledger, sent, &clock, &http)?;
        Self::assemble(config, clock, store, facilitator, http).await
    }

    /// The same with a facilitator of the caller's.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn with_facilitator(
        config: Config,
        clock: Arc<dyn Clock>,
        facilitator: Arc<dyn Facilitator>,
    ) -> anyhow::Result<Self> {
        let store = open_store(&config).await?;
        Self::assemble(config, clock, store, facilitator, facilitator_http()?).await
    }

    async fn assemble(
        config: Config,
        clock: Arc<dyn Clock>,
        store: Store,
        facilitator: Arc<dyn Facilitator>,
        http: reqwest::Client,
    ) -> anyhow::Result<Self> {
        let advisory_locks = store.advisory_locks();
        let shares = Shares::new(advisory_locks.as_ref());
        let terminals = advisory_locks
            .as_ref()
            .map(|locks| terminals::shared(locks, &shares));
        let proxmox = Proxmox::new(config.proxmox.clone(), terminals, &shares)?;
        let installation = Installation::load(&store).await?;
        let tariffs = Tariffs::load(&store, &config.tariff, clock.unix_seconds()).await?;
        let payments = &config.payments;
        let witness = payments
            .rpc_url
            .clone()
            .map(|node| Witness::new(payments.network, node, http))
            .map(|witness| witness.with_confirmations(payments.confirmations));
        let free_calls = shares.rate_limit(config.free_calls_per_minute, &clock);
        let proofs = ProofLimits::new(&shares, &clock);
        let failures = shares.rate_limit(config.failed_payments_per_minute, &clock);
        let consoles = OpenConsoles::new(&shares);
        let failed_payments = FailedPayments::new(failures, Arc::clone(&clock));
        Ok(Self(Arc::new(Parts {
            proofs,
            clock,
            store,
            facilitator,
            witness,
            proxmox,
            installation,
            free_calls,
            failed_payments,
            tariffs,
            payments_in_work: Locks::shared(advisory_locks.as_ref(), "payments"),
            payments_followed: Locks::shared(advisory_locks.as_ref(), "followed"),
            leases_in_work: Locks::shared(advisory_locks.as_ref(), "leases"),
            links_in_work: Locks::shared(advisory_locks.as_ref(), "links"),
            advisory_locks,
            shares,
            looks: RecentLooks::default(),
            seen_off: SeenOff::default(),
            known_guests: KnownGuests::default(),
            alarms: Alarms::default(),
            lease_counts: RecentCounts::default(),
            host_alarms: HostAlarms::default(),
            retries: Backoff::default(),
            link_waits: LinkWaits::default(),
            open_nodes: OpenNodes::default(),
            fence: RecentFence::default(),
            consoles,
            deadlines_moved: Notify::new(),
            links_moved: Notify::new(),
            checkpoint: Checkpoint::default(),
            config,
        })))
    }

    /// Unix seconds, as the store counts them.
    pub fn now(&self) -> i64 {
        i64::try_from(self.clock.unix_seconds()).unwrap_or(i64::MAX)
    }

    /// The rates of this moment.
    pub fn tariff(&self) -> &Tariff {
        &self.config.tariff
    }

    /// Records an event in the audit trail. An event that cannot be written is logged and stops nothing.
    pub async fn record_event(&self, subject: &str, kind: &str, data: serde_json::Value) {
        tracing::info!(subject, event = kind, %data, "an event was recorded");
        if let Err(error) = self
            .store
            .append_event(self.now(), subject, kind, &data)
            .await
        {
            tracing::error!(%error, subject, event = kind, "an event could not be recorded");
        }
    }
}

async fn open_store(config: &Config) -> anyhow::Result<Store> {
    use anyhow::Context as _;
    let database = &config.database;
    make_folder(database)?;
    let opened = Store::open_database(database).await;
    opened.with_context(|| format!("DATABASE: cannot open {database}"))
}

fn make_folder(database: &Database) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let Database::File(path) = database else {
        return Ok(());
    };
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)
            .with_context(|| format!("DATABASE: cannot make the folder {}", folder.display())),
        _ => Ok(()),
    }
}

/// Takes the right to a database that only one process may work on. A server keeps replicas apart by itself.
///
/// # Errors
/// Another process works on it.
pub fn hold_database(database: &Database) -> anyhow::Result<Option<FileLock>> {
    use anyhow::Context as _;
    make_folder(database)?;
    match database {
        Database::File(path) => {
            Ok(Some(FileLock::take(path).with_context(|| {
                format!("DATABASE: cannot use {database}")
            })?))
        }
        Database::Server(_) => Ok(None),
    }
}

/// A redirected settlement cannot be told from a lost one, so none is followed.
pub(crate) fn facilitator_http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .build()?)
}

/// The facilitator for a look at what it settles: it remembers nothing.
///
/// # Errors
/// The settings cannot be used.
pub fn facilitator_to_ask(
    payments: &PaymentConfig,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Facilitator>> {
    let (ledger, sent) = (
        MemoryLedger::default(),
        Arc::new(MemorySentStore::default()),
    );
    facilitator(payments, ledger, sent, &clock, &facilitator_http()?)
}

/// How the chain is dealt with where we settle ourselves.
pub(crate) fn chain_settings(payments: &PaymentConfig) -> ChainSettings {
    ChainSettings {
        settle_timeout: payments.settle_timeout,
        confirmations: payments.confirmations,
        gas: payments.gas,
        ..ChainSettings::of(payments.network)
    }
}

fn facilitator(
    payments: &PaymentConfig,
    ledger: impl Ledger,
    sent: Arc<dyn SentStore>,
    clock: &Arc<dyn Clock>,
    http: &reqwest::Client,
) -> anyhow::Result<Arc<dyn Facilitator>> {
    let timeouts = Timeouts {
        settle: payments.settle_timeout,
        verify: payments.settle_timeout.min(Timeouts::default().verify),
    };
    Ok(match &payments.facilitator {
        FacilitatorChoice::Demo => {
            let clock = Arc::clone(clock);
            let demo = DemoFacilitator::new(payments.network, ledger)?;
            Arc::new(demo.with_clock(move || clock.unix_seconds()))
        }
        FacilitatorChoice::Remote(url) => {
            Arc::new(HttpFacilitator::new(url.clone(), http.clone(), timeouts))
        }
        FacilitatorChoice::Cdp { key_id, key_secret } => {
            let auth = CdpAuth::new(key_id, key_secret.expose())?;
            let base = url::Url::parse(cdp::URL)?;
            Arc::new(HttpFacilitator::new(base, http.clone(), timeouts).with_auth(Arc::new(auth)))
        }
        FacilitatorChoice::Onchain { gas_key, node } => Arc::new(OnchainFacilitator::new(
            payments.network,
            node.clone(),
            http.clone(),
            gas_key.clone(),
            sent,
            chain_settings(payments),
        )),
    })
}
