//! A campaign from its beginning to what can be checked: customers buy while faults come, then the faults stop, the processes
//! run on until they are quiet, customers ask again for what they paid for, and the rest of a day passes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::{Address, address};
use anyhow::{Context as _, Result};
use axum::Router;
use futures_util::{StreamExt as _, stream};
use pve_sim::ContainerSnapshot;
use reqwest::Method;
use tokio::task::JoinSet;
use x402::network::Network;

use crate::{
    book::{Book, Purchase},
    clock::Clock,
    counter::{Counter, lower, wallet},
    customer::{Town, live},
    database::{Database, Row},
    facilitator::Facilitator,
    faults::{self, Targets},
    journal::Journal,
    ledger::{Kind, Ledger, Transfer},
    node::{Node, Weather},
    options::{Mode, Options},
    proxmox::{Cluster, Removed},
    service::Service,
};

/// Public development account 1, who is paid.
const PAY_TO: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
/// Times that a customer asks again for what was paid.
const ASKED_AGAIN: usize = 8;

/// What is in the store and on Proxmox at one moment.
pub struct Snapshot {
    /// The tables that are looked at.
    pub tables: BTreeMap<&'static str, Vec<Row>>,
    /// What the service made.
    pub containers: Vec<ContainerSnapshot>,
    /// What was still being worked on; empty once it is quiet.
    pub unfinished: Vec<String>,
}

/// Everything that the checker reads.
pub struct Evidence {
    /// While leases still run.
    pub midway: Snapshot,
    /// More than a day later.
    pub end: Snapshot,
    /// What customers asked and were told.
    pub purchases: Vec<Purchase>,
    /// What `GET /payments` shows, by wallet: nonces.
    pub shown: BTreeMap<String, Vec<String>>,
    /// The ledger.
    pub transfers: Vec<Transfer>,
    /// Who is paid.
    pub pay_to: Address,
    /// What an administrator removed.
    pub removed: Vec<Removed>,
    /// How often each command ran.
    pub marks: BTreeMap<String, usize>,
    /// The logs of the processes.
    pub logs: Vec<(String, String)>,
    /// The most memory that a process had, in KiB.
    pub memory: Vec<(String, u64)>,
    /// What must not be in a log.
    pub secrets: Vec<(&'static str, String)>,
    /// What happened.
    pub journal: Arc<Journal>,
}

/// Where the campaign's own servers are.
struct Stage {
    clock: Arc<Clock>,
    journal: Arc<Journal>,
    ledger: Arc<Ledger>,
    node: Arc<Node>,
    facilitator: Arc<Facilitator>,
    cluster: Arc<Cluster>,
    database: Database,
    services: Vec<Arc<Service>>,
    counter: Counter,
    marks: PathBuf,
    _servers: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// Runs one.
///
/// # Errors
/// Something of the campaign's own does not work; faults of the service are in the evidence.
pub async fn run(options: &Options) -> Result<Option<Evidence>> {
    let Some(stage) = set_up(options).await? else {
        return Ok(None);
    };
    for service in &stage.services {
        service.start()?;
        service.answers(&stage.counter.http).await?;
    }
    let (over, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let removed = Arc::new(Mutex::new(Vec::new()));
    let targets = Targets {
        services: stage.services.clone(),
        cluster: Arc::clone(&stage.cluster),
        ledger: Arc::clone(&stage.ledger),
        node: Arc::clone(&stage.node),
        database: stage.database.clone(),
        clock: Arc::clone(&stage.clock),
        journal: Arc::clone(&stage.journal),
        removed: Arc::clone(&removed),
        over: Arc::clone(&over),
        pay_to: PAY_TO,
    };
    let mut helpers = JoinSet::new();
    helpers.spawn(faults::supervise(targets.clone(), Arc::clone(&done)));
    helpers.spawn(keep_time(
        Arc::clone(&stage.clock),
        Arc::clone(&stage.cluster),
    ));
    let closed = Arc::new(AtomicBool::new(false));
    let town = Town {
        counter: stage.counter.clone(),
        ledger: Arc::clone(&stage.ledger),
        marks: stage.marks.clone(),
        closed: Arc::clone(&closed),
    };
    let mut actors = faults::begin(&targets, options.seed);
    let mut customers = JoinSet::new();
    for number in 0..options.customers {
        customers.spawn(live(town.clone(), options.seed, number));
    }
    tokio::time::sleep(options.length).await;
    closed.store(true, Ordering::SeqCst);
    let _ = tokio::time::timeout(Duration::from_secs(30), async {
        while customers.join_next().await.is_some() {}
    })
    .await;
    customers.shutdown().await;
    over.store(true, Ordering::SeqCst);
    while let Some(ended) = actors.join_next().await {
        ended.context("an actor of the campaign broke")?;
    }
    settle(&stage).await?;
    quiet(
        &stage,
        Duration::from_secs(120),
        14,
        Duration::from_secs(150),
    )
    .await?;
    ask_again(&stage).await;
    let shown = payments(&stage, options).await;
    quiet(&stage, Duration::from_secs(30), 3, Duration::from_secs(30)).await?;
    let midway = snapshot(&stage)?;
    quiet(
        &stage,
        Duration::from_secs(1_800),
        58,
        Duration::from_secs(120),
    )
    .await?;
    let end = snapshot(&stage)?;
    done.store(true, Ordering::SeqCst);
    helpers.shutdown().await;
    let memory = stage
        .services
        .iter()
        .map(|one| (one.name(), one.weigh()))
        .collect();
    let purchases = stage.counter.book.all();
    for service in &stage.services {
        service.kill();
    }
    let removed = removed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    Ok(Some(Evidence {
        midway,
        end,
        shown,
        transfers: stage.ledger.transfers(),
        pay_to: PAY_TO,
        removed,
        marks: marks(&stage.marks)?,
        logs: logs(&stage.services),
        memory,
        secrets: secrets(&stage, &purchases),
        purchases,
        journal: Arc::clone(&stage.journal),
    }))
}

async fn set_up(options: &Options) -> Result<Option<Stage>> {
    let folder = tempfile::tempdir()?;
    let database = match options.mode {
        Mode::Sqlite => Some(Database::Sqlite(folder.path().join("infra402.sqlite"))),
        Mode::Postgres => tokio::task::spawn_blocking(Database::postgres).await?,
    };
    let Some(database) = database else {
        return Ok(None);
    };
    let _ = std::fs::remove_dir_all(&options.folder);
    std::fs::create_dir_all(&options.folder)
        .with_context(|| format!("cannot make {}", options.folder.display()))?;
    let clock = Arc::new(Clock::start(folder.path().join("clock"), options.speed)?);
    let journal = Arc::new(Journal::new(Arc::clone(&clock)));
    let network = Network::by_name("base-sepolia").context("no such network")?;
    let ledger = Arc::new(Ledger::new(Arc::clone(&clock), options.seed));
    let node = Node::new(Arc::clone(&ledger), network);
    let (facts, notes) = (Arc::clone(&ledger), Arc::clone(&journal));
    let facilitator = Facilitator::new(facts, notes, network, options.seed);
    let mut servers = JoinSet::new();
    let node_url = serve(&mut servers, node.router()).await?;
    let facilitator_url = serve(&mut servers, facilitator.router()).await?;
    let cluster = Arc::new(Cluster::start(Arc::clone(&journal), options.seed).await?);
    let marks = place_for_marks(folder.path())?;
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
        ],
    );
    let processes = if options.mode == Mode::Sqlite { 1 } else { 2 };
    let services: Vec<Arc<Service>> = (0..processes)
        .map(|number| {
            let (program, journal) = (&options.program, Arc::clone(&journal));
            Service::new(number, &options.folder, program, &variables, journal).map(Arc::new)
        })
        .collect::<Result<_>>()?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    let counter = Counter {
        urls: services.iter().map(|one| one.url.clone()).collect(),
        http,
        clock: Arc::clone(&clock),
        book: Book::default(),
        journal: Arc::clone(&journal),
    };
    Ok(Some(Stage {
        clock,
        journal,
        ledger,
        node,
        facilitator,
        cluster,
        database,
        services,
        counter,
        marks,
        _servers: servers,
        _folder: folder,
    }))
}

/// What every process is told.
fn variables(options: &Options, more: &[(&str, String)]) -> Vec<(String, String)> {
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
        ("LEASES_IN_FLIGHT_PER_WALLET", "4"),
        ("MAX_UNPAID_LEASES", "1000"),
        ("FREE_CALLS_PER_MINUTE", "1000000"),
        ("FAILED_PAYMENTS_PER_MINUTE", "1000000"),
        ("TRUSTED_PROXIES", "1"),
        ("NO_COLOR", "1"),
    ];
    let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
    let bug = options.bug.clone().map(|bug| ("CHAOS_BUG", bug));
    let all = fixed.into_iter().chain(more.iter().cloned()).chain(bug);
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

/// A file that the containers' shells, which are another account's, can write.
fn place_for_marks(folder: &std::path::Path) -> Result<PathBuf> {
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

/// The simulator's clock goes with the campaign's.
async fn keep_time(clock: Arc<Clock>, cluster: Arc<Cluster>) {
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

/// The faults stop, and every process is started anew, as after a bad day.
async fn settle(stage: &Stage) -> Result<()> {
    stage.facilitator.be_honest();
    stage.node.set(Weather::Good);
    stage.cluster.put_in_order();
    for service in &stage.services {
        service.kill();
        service.start()?;
    }
    for service in &stage.services {
        service.answers(&stage.counter.http).await?;
    }
    stage.journal.note("campaign", "the faults are over");
    Ok(())
}

/// Puts the time forward until nothing is worked on, at least so many times. What is left then is in the evidence.
async fn quiet(stage: &Stage, step: Duration, at_least: u32, at_most: Duration) -> Result<()> {
    let deadline = Instant::now() + at_most;
    for round in 1_u32.. {
        stage.clock.advance(step)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if round == 3 {
            // A task that a fault broke off may have left its lock.
            stage.cluster.put_in_order();
        }
        let left = unfinished(&stage.database)?;
        if round >= at_least && (left.is_empty() || Instant::now() > deadline) {
            return Ok(());
        }
    }
    Ok(())
}

/// What the service still has to do something about.
fn unfinished(database: &Database) -> Result<Vec<String>> {
    let text = |row: &Row, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let mut left = Vec::new();
    for row in database.rows("payments")? {
        let (state, operation) = (text(&row, "state"), text(&row, "operation"));
        let resumed = operation == "lease_container" || operation == "renew_lease";
        let open = ["reserved", "verified", "settling", "unknown"].contains(&state.as_str());
        if open || state == "settled" && resumed {
            left.push(format!("{} is {state}", text(&row, "payment_id")));
        }
    }
    for row in database.rows("leases")? {
        let state = text(&row, "state");
        if !["active", "stopped", "destroyed"].contains(&state.as_str()) {
            left.push(format!("{} is {state}", text(&row, "lease_id")));
        }
    }
    Ok(left)
}

/// Customers ask again for everything that they paid for and were not told about.
async fn ask_again(stage: &Stage) {
    let paid = |purchase: &Purchase| {
        let one = stage.ledger.of_nonce(purchase.payer, purchase.nonce);
        one.is_some_and(|one| one.kind == Kind::Authorized && one.to == PAY_TO)
    };
    let all = stage.counter.book.all();
    let to_ask: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, purchase)| paid(purchase))
        .filter(|(_, purchase)| purchase.told.last().is_none_or(|told| told.status != 200))
        .map(|(number, _)| number)
        .collect();
    let asks = to_ask.into_iter().map(|number| async move {
        for _ in 0..ASKED_AGAIN {
            let told = stage
                .counter
                .send(number, number, Duration::from_secs(40))
                .await;
            if told.is_final() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    stream::iter(asks).buffer_unordered(6).collect::<()>().await;
}

/// What each wallet sees of its payments.
async fn payments(stage: &Stage, options: &Options) -> BTreeMap<String, Vec<String>> {
    let mut shown = BTreeMap::new();
    for number in 0..options.customers {
        let wallet = wallet(options.seed, &format!("customer {number}"));
        let mut nonces = Vec::new();
        let session = stage.counter.sign_in(&wallet, number).await;
        let mut before = String::new();
        loop {
            let path = format!("/payments?limit=200{before}");
            let counter = &stage.counter;
            let told = counter
                .at(number, Method::GET, &path, session.as_deref())
                .await;
            let page = told.body["payments"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            nonces.extend(
                page.iter()
                    .filter_map(|one| one["nonce"].as_str().map(str::to_lowercase)),
            );
            match told.body["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        shown.insert(lower(wallet.address()), nonces);
    }
    shown
}

fn snapshot(stage: &Stage) -> Result<Snapshot> {
    let mut tables = BTreeMap::new();
    for table in [
        "payments", "leases", "debts", "renewals", "events", "orphans",
    ] {
        tables.insert(table, stage.database.rows(table)?);
    }
    Ok(Snapshot {
        tables,
        containers: stage.cluster.containers(),
        unfinished: unfinished(&stage.database)?,
    })
}

fn marks(file: &std::path::Path) -> Result<BTreeMap<String, usize>> {
    let mut marks = BTreeMap::new();
    for line in std::fs::read_to_string(file)?.lines() {
        *marks.entry(line.trim().to_owned()).or_default() += 1;
    }
    Ok(marks)
}

fn logs(services: &[Arc<Service>]) -> Vec<(String, String)> {
    let read = |one: &Arc<Service>| {
        let bytes = std::fs::read(&one.log).unwrap_or_default();
        (one.name(), String::from_utf8_lossy(&bytes).into_owned())
    };
    services.iter().map(read).collect()
}

/// What must not be in a log.
fn secrets(stage: &Stage, purchases: &[Purchase]) -> Vec<(&'static str, String)> {
    let mut secrets = vec![("the token's secret", stage.cluster.sim.token_secret())];
    for purchase in purchases {
        let signature = &purchase.payment.exact().signature;
        secrets.push(("a signature", signature.trim_start_matches("0x").to_owned()));
        if let Some(key) = purchase.key.as_ref().filter(|key| key.len() >= 16) {
            secrets.push(("a good key", key.clone()));
        }
        for told in &purchase.told {
            for name in ["password", "ticket"] {
                if let Some(text) = told.body[name].as_str().filter(|text| text.len() > 8) {
                    secrets.push(("a password or ticket", text.to_owned()));
                }
            }
        }
    }
    secrets
}
