//! Sets up a campaign: a clock, the ledger with its node and facilitator, Proxmox, a database, and
//! the processes of the service, which are not started yet.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, address};
use anyhow::{Context as _, Result};
use axum::Router;
use tokio::task::JoinSet;
use x402::network::Network;

use crate::{
    clock::CampaignClock,
    customers::client::ApiClient,
    customers::purchases::Purchases,
    journal::Journal,
    options::{CampaignOptions, StoreMode},
    random::SeededRandom,
    world::database::Database,
    world::facilitator::FaultyFacilitator,
    world::ledger::Ledger,
    world::node::ChainNode,
    world::proxmox::Cluster,
    world::service::ServiceProcess,
};

/// How long unfinished work may show no progress before it counts as stuck: a payment is looked for
/// again at least every 30 seconds of real time.
const STUCK_AFTER: Duration = Duration::from_secs(40);
/// The same with a seeded bug, which leaves work stuck for ever and is found by other rules.
const STUCK_AFTER_WITH_BUG: Duration = Duration::from_secs(8);
/// Public development account 1, the payee.
pub const PAY_TO: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");

/// The replica whose clock is wrong.
const SKEWED_REPLICA: usize = 1;
/// Seconds of the campaign's time by which that clock is ahead or behind.
pub const CLOCK_SKEW: i64 = 60;
/// Leases of a wallet that may be in creation at a time.
pub const MAX_LEASES_IN_MAKING: usize = 4;
/// Live leases that a wallet may have.
pub const MAX_LEASES_PER_WALLET: usize = 10;

/// The servers and processes of a campaign.
pub struct Testbed {
    /// The campaign's time.
    pub clock: Arc<CampaignClock>,
    /// The record of events.
    pub journal: Arc<Journal>,
    /// All transfers.
    pub ledger: Arc<Ledger>,
    /// The chain's node, which shows the ledger with faults.
    pub node: Arc<ChainNode>,
    /// The facilitator, which moves money on the ledger.
    pub facilitator: Arc<FaultyFacilitator>,
    /// The Proxmox cluster.
    pub cluster: Arc<Cluster>,
    /// The store.
    pub database: Database,
    /// The processes of the service.
    pub services: Vec<Arc<ServiceProcess>>,
    /// The HTTP client of all customers.
    pub client: ApiClient,
    /// The file in which commands leave their marks.
    pub marks: PathBuf,
    /// How long unfinished work may show no progress before it counts as stuck.
    pub stuck_after: Duration,
    _servers: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// Sets everything up; `None` where PostgreSQL is asked for and not installed.
///
/// # Errors
/// A part of the campaign itself does not start.
pub async fn set_up(options: &CampaignOptions) -> Result<Option<Testbed>> {
    let folder = tempfile::tempdir()?;
    let database = match options.mode {
        StoreMode::Sqlite => Some(Database::Sqlite(folder.path().join("infra402.sqlite"))),
        StoreMode::Postgres => tokio::task::spawn_blocking(Database::postgres).await??,
    };
    let Some(database) = database else {
        return Ok(None);
    };
    let _ = std::fs::remove_dir_all(&options.folder);
    std::fs::create_dir_all(&options.folder)
        .with_context(|| format!("cannot make {}", options.folder.display()))?;
    let clock = Arc::new(CampaignClock::start(
        folder.path().join("clock"),
        options.speed,
    )?);
    let journal = Arc::new(Journal::new(Arc::clone(&clock)));
    let network = Network::by_name("base-sepolia").context("no such network")?;
    let ledger = Arc::new(Ledger::new(Arc::clone(&clock), options.seed));
    let node = ChainNode::new(Arc::clone(&ledger), network);
    let (facts, notes) = (Arc::clone(&ledger), Arc::clone(&journal));
    let facilitator = FaultyFacilitator::new(facts, notes, network, options.seed);
    let mut servers = JoinSet::new();
    let node_url = serve(&mut servers, node.router()).await?;
    let facilitator_url = serve(&mut servers, facilitator.router()).await?;
    let cluster = Arc::new(Cluster::start(Arc::clone(&journal), options.seed).await?);
    let marks = create_marks_file(folder.path())?;
    let variables = variables(
        options,
        &[
            ("FACILITATOR", facilitator_url),
            ("RPC_URL", node_url),
            ("DATABASE", database.address()),
            ("CHAOS_CLOCK", clock.file().display().to_string()),
            ("PVE_HOST", cluster.sim.url()),
            ("PVE_TOKEN_ID", cluster.sim.token_id()),
            ("PVE_TOKEN_SECRET", cluster.sim.token_secret()),
            ("PVE_FINGERPRINT", cluster.sim.fingerprint()),
            // Commands use the terminal, whose lock is what the campaign tries.
            ("GUEST_SSH", "false".to_owned()),
        ],
    );
    let off = *SeededRandom::for_actor(options.seed, "clock").pick(&[CLOCK_SKEW, -CLOCK_SKEW]);
    let off = clock.off_by(off)?.display().to_string();
    let services: Vec<Arc<ServiceProcess>> = (0..options.replicas())
        .map(|number| {
            let (program, journal) = (&options.program, Arc::clone(&journal));
            let mut variables = variables.clone();
            if number == SKEWED_REPLICA {
                variables.push(("CHAOS_CLOCK".into(), off.clone()));
            }
            ServiceProcess::new(number, &options.folder, program, &variables, journal).map(Arc::new)
        })
        .collect::<Result<_>>()?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    let client = ApiClient {
        urls: services.iter().map(|one| one.url.clone()).collect(),
        http,
        clock: Arc::clone(&clock),
        purchases: Purchases::default(),
        journal: Arc::clone(&journal),
    };
    Ok(Some(Testbed {
        clock,
        journal,
        ledger,
        node,
        facilitator,
        cluster,
        database,
        services,
        client,
        marks,
        stuck_after: match options.bug {
            None => STUCK_AFTER,
            Some(_) => STUCK_AFTER_WITH_BUG,
        },
        _servers: servers,
        _folder: folder,
    }))
}

/// The environment of every process.
fn variables(options: &CampaignOptions, more: &[(&str, String)]) -> Vec<(String, String)> {
    let fixed = [
        ("PATH", "/usr/bin:/bin"),
        ("ADDRESS", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        ("NETWORK", "base-sepolia"),
        ("FACILITATOR_TIMEOUT_SECONDS", "3"),
        ("PUBLIC_BASE_URL", "http://lease.example"),
        ("PVE_NODE", "auto"),
        ("LEASE_GRACE_MINUTES", "10"),
        ("HELD_HOURS", "1"),
        ("ORPHAN_KEEP_HOURS", "1"),
        ("MAX_UNPAID_LEASES", "1000"),
        // What is owed stays a debt, which the checker counts.
        ("CREDIT", "false"),
        ("FREE_CALLS_PER_MINUTE", "1000000"),
        ("FAILED_PAYMENTS_PER_MINUTE", "1000000"),
        ("TRUSTED_PROXIES", "1"),
        ("NO_COLOR", "1"),
    ];
    let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
    let bounds = [
        (
            "LEASES_IN_FLIGHT_PER_WALLET",
            MAX_LEASES_IN_MAKING.to_string(),
        ),
        ("LEASES_PER_WALLET", MAX_LEASES_PER_WALLET.to_string()),
    ];
    let bug = options.bug.clone().map(|bug| ("CHAOS_BUG", bug));
    let fixed = fixed.into_iter().chain(bounds);
    let all = fixed.chain(more.iter().cloned()).chain(bug);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn serve(servers: &mut JoinSet<()>, router: Router) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    servers.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    Ok(url)
}

/// Creates a file that the containers' shells can write, which run as another account.
fn create_marks_file(folder: &std::path::Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    };
    let file = folder.join("marks");
    std::fs::write(&file, "")?;
    open(&file, 0o666)?;
    open(folder, 0o755)?;
    Ok(file)
}

/// Keeps the simulator's clock in step with the campaign's.
pub async fn advance_simulator_clock(clock: Arc<CampaignClock>, cluster: Arc<Cluster>) {
    let mut ahead = 0;
    loop {
        let real = SystemTime::now().duration_since(UNIX_EPOCH);
        let real = u64::try_from(real.unwrap_or_default().as_millis()).unwrap_or(0);
        let wanted = clock.millis().saturating_sub(real);
        if wanted > ahead {
            cluster
                .sim
                .advance_clock(Duration::from_millis(wanted - ahead));
            ahead = wanted;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
