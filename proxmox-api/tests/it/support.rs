//! The service under test: on a free port and a runtime of its own, with a simulated Proxmox, a
//! facilitator with faults, and a clock that can be advanced.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::guest::plain_shell;
use alloy::primitives::Address;
use proxmox_api::{
    App, app,
    config::{Config, SCHEMA},
    ingress, jump, start_work,
    store::{DemoLedger, Store},
};
use pve_sim::{Sim, SimConfig, TerminalDefects};
use service::{
    clock::{Clock, TestClock},
    env::Env,
    metrics::Metrics,
    serve::{ServerLimits, Shutdown, serve},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use x402::facilitator::{
    demo::DemoFacilitator,
    faults::{Faults, Faulty},
};
use x402::network::Network;

/// Public development account 1, the payee.
pub const PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// A service with everything that it depends on; all of it ends when this is dropped.
pub struct TestApp {
    pub sim: Arc<Sim>,
    pub app: App,
    pub url: String,
    /// The listener for visitors of published ports.
    pub ingress: SocketAddr,
    /// The jump host for SSH clients.
    pub jump_host: SocketAddr,
    pub clock: TestClock,
    pub faults: Faults,
    pub http: reqwest::Client,
    variables: Vec<(String, String)>,
    folder: Arc<TempDir>,
    process: ServiceProcess,
}

impl TestApp {
    /// A service with default settings.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A service that sells all there is.
    pub async fn with_credit() -> Self {
        Self::with(&[("CREDIT", "on")]).await
    }

    /// A service with these additional settings.
    pub async fn with(more: &[(&str, &str)]) -> Self {
        let config = SimConfig {
            time_scale: 0.002,
            shell: plain_shell(),
            terminal_defects: TerminalDefects::ALL,
            ..SimConfig::default()
        };
        Self::on(Sim::start(config).await.unwrap(), more).await
    }

    /// A service on this simulator.
    pub async fn on(sim: impl Into<Arc<Sim>>, more: &[(&str, &str)]) -> Self {
        service::crypto::install_ring_provider();
        let sim = sim.into();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let database = folder.path().join("infra402.sqlite");
        let mut variables: Vec<(String, String)> = [
            ("ADDRESS", PAYEE.to_owned()),
            ("FACILITATOR", "demo".to_owned()),
            ("DATABASE", database.display().to_string()),
            ("PUBLIC_BASE_URL", "http://lease.example".to_owned()),
            ("PVE_HOST", sim.url()),
            ("PVE_TOKEN_ID", sim.token_id()),
            ("PVE_TOKEN_SECRET", sim.token_secret()),
            ("PVE_FINGERPRINT", sim.fingerprint()),
            ("PVE_NODE", sim.node()),
            // Debts stay with the operator, where most tests look for them.
            ("CREDIT", "off".to_owned()),
            // The simulated containers of most tests have no SSH server.
            ("GUEST_SSH", "false".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        variables.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let (clock, faults) = (TestClock::running(), Faults::default());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (process, launched) = ServiceProcess::launch(&variables, &clock, &faults).await;
        let Launched {
            app,
            url,
            ingress,
            jump_host,
        } = launched;
        Self {
            sim,
            app,
            url,
            ingress,
            jump_host,
            clock,
            faults,
            http,
            variables,
            folder,
            process,
        }
    }

    /// Ends the service at once, as a crash does, and starts it on the same data. All tasks of the
    /// old service are dead before the new one starts. Work that the test itself started on `app`
    /// goes on.
    pub async fn restart(&mut self) {
        self.restart_with(&[]).await;
    }

    /// As [`TestApp::restart`], with these variables changed.
    pub async fn restart_with(&mut self, more: &[(&str, &str)]) {
        for (name, value) in more {
            self.variables.retain(|(known, _)| known != name);
            self.variables.push(((*name).into(), (*value).into()));
        }
        self.stop().await;
        let launched = ServiceProcess::launch(&self.variables, &self.clock, &self.faults).await;
        let (process, launched) = launched;
        (self.process, self.app, self.url) = (process, launched.app, launched.url);
        (self.ingress, self.jump_host) = (launched.ingress, launched.jump_host);
    }

    /// Ends the service as a crash does; [`TestApp::restart_with`] starts it again, perhaps on
    /// other data.
    pub async fn stop(&mut self) {
        self.process.kill().await;
        // The writer of a file is a thread beside the runtime. It handles its queue in order, so
        // this returns after the writes that the dead tasks had queued.
        let _ = self.app.store.prove_writable(self.app.now()).await;
    }

    /// Another replica on the same data and the same Proxmox. It dies when it is dropped.
    pub async fn beside(&self) -> Self {
        self.beside_with(&[]).await
    }

    /// As [`TestApp::beside`], with these variables changed.
    pub async fn beside_with(&self, more: &[(&str, &str)]) -> Self {
        let mut variables = self.variables.clone();
        for (name, value) in more {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).into(), (*value).into()));
        }
        let (process, launched) =
            ServiceProcess::launch(&variables, &self.clock, &self.faults).await;
        let Launched {
            app,
            url,
            ingress,
            jump_host,
        } = launched;
        Self {
            sim: Arc::clone(&self.sim),
            app,
            url,
            ingress,
            jump_host,
            clock: self.clock.clone(),
            faults: self.faults.clone(),
            http: self.http.clone(),
            variables,
            folder: Arc::clone(&self.folder),
            process,
        }
    }

    /// The settings of the service, with some changed.
    pub fn env(&self, changed: &[(&str, &str)]) -> Env {
        let mut variables = self.variables.clone();
        for (name, value) in changed {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        Env::from_map(variables).for_schema(&SCHEMA)
    }

    /// The path of the store's file.
    pub fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("infra402.sqlite")
    }

    /// Makes the database refuse to store this state of a payment, until
    /// [`TestApp::stores_all_states`].
    pub fn refuses_to_store(&self, state: &str) {
        let rows = rusqlite::Connection::open(self.database()).unwrap();
        let sql = format!(
            "CREATE TRIGGER refuses BEFORE UPDATE OF state ON payments WHEN NEW.state = '{state}'
             BEGIN SELECT RAISE(FAIL, 'the disk is full'); END"
        );
        rows.execute_batch(&sql).unwrap();
    }

    /// Lets the database store every state of a payment again.
    pub fn stores_all_states(&self) {
        let rows = rusqlite::Connection::open(self.database()).unwrap();
        rows.execute_batch("DROP TRIGGER refuses").unwrap();
    }

    /// Changes one row of the database, as another replica or another release would.
    pub fn rewrite(&self, sql: &str) {
        let rows = rusqlite::Connection::open(self.database()).unwrap();
        rows.busy_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(rows.execute(sql, []).unwrap(), 1, "{sql}");
    }

    /// Gives a wallet play money.
    pub async fn fund(&self, wallet: Address) {
        let body = serde_json::json!({ "address": wallet });
        let request = self
            .http
            .post(format!("{}/demo/faucet", self.url))
            .json(&body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    /// Play money of a wallet, atomic units.
    pub async fn balance(&self, wallet: Address) -> u64 {
        let network = Network::by_name("base-sepolia").unwrap();
        let asset = network.usdc.address;
        self.app
            .store
            .demo_balance(network.caip2, asset, &wallet.into())
            .await
            .unwrap()
    }
}

/// A runtime for all tasks of one service, so that the service can end at any point of its work, as
/// a process does.
struct ServiceProcess {
    runtime: Option<Runtime>,
}

impl ServiceProcess {
    async fn launch(
        variables: &[(String, String)],
        clock: &TestClock,
        faults: &Faults,
    ) -> (Self, Launched) {
        // A test that reads the log has a subscriber of its own thread.
        let log = tracing::dispatcher::get_default(Clone::clone);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_start(move || {
                let for_good = tracing::dispatcher::set_default(&log);
                std::mem::forget(for_good);
            })
            .enable_all()
            .build()
            .unwrap();
        let (variables, clock, faults) = (variables.to_vec(), clock.clone(), faults.clone());
        let launched = runtime.spawn(async move { launch(&variables, &clock, &faults).await });
        let runtime = Some(runtime);
        let process = Self { runtime };
        (process, launched.await.unwrap())
    }

    /// Ends all tasks and returns once they are gone.
    async fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            let shutdown = move || runtime.shutdown_timeout(Duration::from_secs(20));
            tokio::task::spawn_blocking(shutdown).await.unwrap();
        }
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // An asynchronous test must not block on the end of a runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running service, and where it listens.
struct Launched {
    app: App,
    url: String,
    ingress: SocketAddr,
    jump_host: SocketAddr,
}

async fn launch(variables: &[(String, String)], clock: &TestClock, faults: &Faults) -> Launched {
    let config = Config::from_env(Env::from_map(variables.iter().cloned())).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let network = config.payments.network;
    let ledger = DemoLedger::new(
        Store::open_database(&config.database).await.unwrap(),
        network,
        Arc::clone(&clock),
    );
    let now = Arc::clone(&clock);
    let demo = DemoFacilitator::new(network, ledger)
        .unwrap()
        .with_clock(move || now.unix_seconds());
    let facilitator = Arc::new(Faulty::new(demo, faults.clone()));
    let state = App::with_facilitator(config, clock, facilitator)
        .await
        .unwrap();
    let workers = start_work(&state).await.unwrap();
    // Where other replicas are told to connect, or anywhere.
    let address = state.config.replica_address.as_ref();
    let address = address.map_or("127.0.0.1:0", |url| url.authority());
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = app(state.clone(), Metrics::install().unwrap());
    let visitors = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at_ingress = visitors.local_addr().unwrap();
    if let Some(config) = state.config.ingress.clone() {
        let router = ingress::router(&state, config.domain);
        let (limits, (_, shutdown)) = (ingress::limits(&state), Shutdown::manual());
        tokio::spawn(async move {
            let served = serve(visitors, router, shutdown, Duration::ZERO, limits).await;
            served.unwrap();
        });
    }
    let clients = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at_jump_host = clients.local_addr().unwrap();
    if let Some(config) = &state.config.jump_host {
        let host = jump::jump_host(&state, config);
        tokio::spawn(jump_host::serve(clients, host, std::future::pending()));
    }
    tokio::spawn(async move {
        let _workers = workers;
        let (_, shutdown) = Shutdown::manual();
        let served = serve(
            listener,
            router,
            shutdown,
            Duration::ZERO,
            ServerLimits::default(),
        )
        .await;
        served.unwrap();
    });
    Launched {
        app: state,
        url,
        ingress: at_ingress,
        jump_host: at_jump_host,
    }
}

/// Waits until `look` finds something, and fails with the name of the condition after a deadline.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within the deadline: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a task of this kind runs on the simulated Proxmox.
pub async fn task_runs(app: &TestApp, kind: &str) {
    until("the task to run", async || {
        let tasks = app.sim.tasks();
        let mut running = tasks.iter().filter(|task| task.exit_status.is_none());
        running.any(|task| task.kind == kind).then_some(())
    })
    .await;
}
