//! The state that routes, operations and workers share. `main` makes one [`App`] at start. It holds
//! the configuration, the store, the clients of Proxmox and of the facilitator, the locks, and what
//! `memory` remembers; it calls none of the code that uses it.

mod guests;

use std::{ops::Deref, sync::Arc, time::Duration};

use ::guest::GuestConnections;
use api_types::Tariff;
use service::{caller::RateLimit, clock::Clock};
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
    failed_payments::FailedPayments,
    installation::{Installation, bind_credit},
    locks::Locks,
    memory::{
        alarms::Alarms,
        backoff::Backoff,
        consoles::OpenConsoles,
        fences::{RecentFence, UnfencedNodes},
        guest_routes::GuestRoutes,
        guest_streams::GuestStreams,
        host_addresses::HostAddresses,
        host_alarms::HostAlarms,
        key_ends::KeyEnds,
        known_guests::KnownGuests,
        lease_counts::RecentCounts,
        link_waits::LinkWaits,
        locations::RecentLocations,
        parked_shells::ParkedShells,
        public_host_keys::PublicHostKeys,
        replica::Replica,
        seen_off::SeenOff,
        transfers::Transfers,
    },
    payment_machine::Checkpoint,
    proof_limits::ProofLimits,
    proxmox::Proxmox,
    shares::Shares,
    store::{AdvisoryLocks, Database, DemoLedger, EventSubject, FileLock, Store, log_event},
    tariffs::Tariffs,
    terminals,
};

/// The shared state; clones are cheap.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of [`App`].
pub struct Parts {
    /// The configuration of the process.
    pub config: Config,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The database.
    pub store: Store,
    /// Verifies and settles payments.
    pub facilitator: Arc<dyn Facilitator>,
    /// Looks for transfers on the chain when the facilitator's outcome is unknown.
    pub witness: Option<Witness>,
    /// Client and caches of Proxmox.
    pub proxmox: Proxmox,
    /// Id and key of this installation.
    pub installation: Installation,
    /// This process among the replicas.
    pub replica: Replica,
    /// The rate limit of the free routes, by the caller's address.
    pub free_calls: RateLimit,
    /// Limits on the work for signatures that only a chain or the facilitator can judge.
    pub proofs: ProofLimits,
    /// The rate limit of failed payments, by the caller's address.
    pub failed_payments: FailedPayments,
    /// The current rates, and the earlier ones whose quotes are still good.
    pub tariffs: Tariffs,
    /// The locks that replicas share; `None` on SQLite.
    pub advisory_locks: Option<AdvisoryLocks>,
    /// This replica's part of limits that hold for all of them.
    pub shares: Shares,
    /// Locks of payments, by nonce and by id: one task at a time works on a payment.
    pub payments_in_work: Locks,
    /// Locks of payments of unknown outcome: one follower for each.
    pub payments_followed: Locks,
    /// Locks of leases, by id: one task at a time works on a lease.
    pub leases_in_work: Locks,
    /// Locks of links, by lease id: one replica at a time puts a container's link up.
    pub links_in_work: Locks,
    /// Locks of the SSH keys of leases, by lease id.
    pub ssh_keys_in_work: Locks,
    /// Where containers were located within the last seconds.
    pub locations: RecentLocations,
    /// Leases whose container needs the operator.
    pub alarms: Alarms,
    /// The last count of leases and of running containers.
    pub lease_counts: RecentCounts,
    /// Busy disks, restarting containers and full storages.
    pub host_alarms: HostAlarms,
    /// Containers that are off and may have been shut down from inside.
    pub seen_off: SeenOff,
    /// Containers without a lease whose configuration was read.
    pub known_guests: KnownGuests,
    /// The fence of each node as it was last read.
    pub fence: RecentFence,
    /// Nodes without a fence around running containers.
    pub unfenced_nodes: UnfencedNodes,
    /// When failed ends of leases are tried again.
    pub retries: Backoff,
    /// When the links of containers may be put up.
    pub link_waits: LinkWaits,
    /// The SSH connections into containers.
    pub guests: GuestConnections,
    /// What was found out about SSH into containers.
    pub guest_routes: GuestRoutes,
    /// The public SSH host keys of containers.
    pub public_host_keys: PublicHostKeys,
    /// The addresses of hosts that are no containers.
    pub host_addresses: HostAddresses,
    /// Connections of visitors and SSH clients into containers.
    pub guest_streams: GuestStreams,
    /// The files that are read or written now.
    pub transfers: Transfers,
    /// Shells whose console's connection was lost.
    pub parked_shells: ParkedShells,
    /// Announces API keys that were changed.
    pub key_ends: KeyEnds,
    /// The open consoles, and the room for more.
    pub consoles: OpenConsoles,
    /// Wakes the expiry worker when a deadline was added or moved.
    pub deadlines_moved: Notify,
    /// Wakes the worker that puts links up.
    pub links_moved: Notify,
    /// The hook at which tests stop the work on a payment.
    pub checkpoint: Checkpoint,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Opens the store and makes all that depends on the configuration.
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

    /// As [`App::start`], with the given facilitator.
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
        let installation = Installation::load(&store, config.installation_key.as_ref()).await?;
        if config.credit.is_some() {
            bind_credit(&store, &config.payments.money()).await?;
        }
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
            replica: Replica::default(),
            free_calls,
            failed_payments,
            tariffs,
            payments_in_work: Locks::shared(advisory_locks.as_ref(), "payments"),
            payments_followed: Locks::shared(advisory_locks.as_ref(), "followed"),
            leases_in_work: Locks::shared(advisory_locks.as_ref(), "leases"),
            links_in_work: Locks::shared(advisory_locks.as_ref(), "links"),
            ssh_keys_in_work: Locks::shared(advisory_locks.as_ref(), "ssh_keys"),
            advisory_locks,
            shares,
            locations: RecentLocations::default(),
            seen_off: SeenOff::default(),
            known_guests: KnownGuests::default(),
            alarms: Alarms::default(),
            lease_counts: RecentCounts::default(),
            host_alarms: HostAlarms::default(),
            retries: Backoff::default(),
            link_waits: LinkWaits::default(),
            unfenced_nodes: UnfencedNodes::default(),
            fence: RecentFence::default(),
            guests: GuestConnections::new(config.guest.dialer.clone(), ::guest::Limits::default()),
            guest_routes: GuestRoutes::default(),
            public_host_keys: PublicHostKeys::default(),
            host_addresses: HostAddresses::default(),
            guest_streams: GuestStreams::default(),
            parked_shells: ParkedShells::default(),
            transfers: Transfers::default(),
            key_ends: KeyEnds::default(),
            consoles,
            deadlines_moved: Notify::new(),
            links_moved: Notify::new(),
            checkpoint: Checkpoint::default(),
            config,
        })))
    }

    /// Unix seconds, as the store counts them.
    pub fn now(&self) -> i64 {
        self.clock.unix_time()
    }

    /// The current rates.
    pub fn tariff(&self) -> &Tariff {
        &self.config.tariff
    }

    /// Adds an event to the audit trail. The caller goes on when the trail cannot be written; the
    /// log says so.
    pub async fn record_event(&self, subject: &str, kind: &str, data: serde_json::Value) {
        log_event(subject, kind, &data);
        let stored = self
            .store
            .append_event(self.now(), subject, kind, &data)
            .await;
        if let Err(error) = stored {
            let [lease, payment, node] = EventSubject::new(subject).fields();
            tracing::error!(
                lease.id = lease,
                payment.id = payment,
                node,
                event = kind,
                %error,
                "the audit trail cannot be written"
            );
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

/// Takes the right to a file that only one process may work on. A server keeps replicas apart
/// itself.
///
/// # Errors
/// Another process works on it.
pub fn lock_database(database: &Database) -> anyhow::Result<Option<FileLock>> {
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

/// The HTTP client for the facilitator. It follows no redirect: a redirected settlement could not
/// be told from a lost one.
pub(crate) fn facilitator_http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .build()?)
}

/// A facilitator that is only asked what it supports. It stores nothing.
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

/// The settings of the chain for payments that we settle ourselves.
pub(crate) fn chain_settings(payments: &PaymentConfig) -> ChainSettings {
    ChainSettings {
        settle_timeout: payments.settle_timeout,
        confirmations: payments.confirmations,
        gas: payments.gas,
        ..ChainSettings::for_network(payments.network)
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
