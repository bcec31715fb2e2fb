//! A simulated Proxmox, and the service as a process.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use pve_sim::{ShellMode, Sim, SimConfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::process::{self, ProcessorTimes};

/// The most leases that one wallet may have in the making.
pub const IN_FLIGHT: usize = 8;
/// The file of a store.
const FILE: &str = "bench.sqlite";
/// The service's start-up work, which is its examination of the configuration, takes less than
/// this.
const SETTLED: Duration = Duration::from_secs(3);

/// The simulated Proxmox, the service and their settings; dropping this ends the processes that it
/// started.
#[derive(Clone)]
pub struct BenchTestbed {
    /// Host and port of the service.
    pub address: String,
    pub http: reqwest::Client,
    pub service: Arc<Service>,
    pub sim: Arc<Sim>,
    /// How long a container takes to get its address at the start.
    pub address_delay: Duration,
    /// The listener of published ports, if there is one.
    pub ingress: Option<SocketAddr>,
    folder: Arc<TempDir>,
}

impl BenchTestbed {
    /// Starts with one node.
    pub async fn start(time_scale: f64) -> Self {
        Self::of(&["pve"], time_scale, None, WaysIn::Terminal).await
    }

    /// Starts with one node whose containers have SSH servers, by the simulator's program.
    pub async fn with_ssh(time_scale: f64) -> Self {
        Self::of(&["pve"], time_scale, None, WaysIn::Ssh).await
    }

    /// The same, and publishes their ports.
    pub async fn with_ingress(time_scale: f64) -> Self {
        Self::of(&["pve"], time_scale, None, WaysIn::Visitors).await
    }

    /// Starts with one node and a server's database.
    pub async fn with_database(time_scale: f64, database: &str) -> Self {
        Self::of(&["pve"], time_scale, Some(database), WaysIn::Terminal).await
    }

    /// Starts with a cluster.
    pub async fn on(nodes: &[&str], time_scale: f64) -> Self {
        Self::of(nodes, time_scale, None, WaysIn::Terminal).await
    }

    async fn of(nodes: &[&str], time_scale: f64, database: Option<&str>, ways: WaysIn) -> Self {
        service::crypto::install_ring_provider();
        let config = SimConfig {
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
            time_scale,
            shell: ShellMode::HostForTests("/bin/sh".into()),
            guest_program: Some(simulator_program()),
            ..SimConfig::default()
        };
        let address_delay = config.address_delay.mul_f64(time_scale);
        let sim = Sim::start(config).await.unwrap();
        // In the build folder, which is on a disk; the usual folder for temporary files may be in
        // memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let address = format!("127.0.0.1:{}", free_port().await);
        let ingress = match ways {
            WaysIn::Visitors => Some(SocketAddr::from(([127, 0, 0, 1], free_port().await))),
            _ => None,
        };
        let stage = Self {
            service: Arc::new(Service::start(
                &address,
                &sim,
                nodes,
                &folder,
                database,
                (ways, ingress),
            )),
            address,
            http,
            ingress,
            sim: Arc::new(sim),
            address_delay,
            folder: Arc::new(folder),
        };
        stage.is_up().await;
        stage
    }

    /// Another replica on the same database and the same Proxmox of one node.
    pub async fn replica(&self, database: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port().await);
        let service = Service::start(
            &address,
            &self.sim,
            &["pve"],
            &self.folder,
            Some(database),
            (WaysIn::Terminal, None),
        );
        let replica = Self {
            service: Arc::new(service),
            address,
            ..self.clone()
        };
        replica.is_up().await;
        replica
    }

    async fn is_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let health = format!("{}/health", self.url());
        while self.http.get(&health).send().await.is_err() {
            assert!(Instant::now() < deadline, "the service does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(SETTLED).await;
    }

    /// Waits until SSH into a container works.
    pub async fn await_ssh(&self, ctid: u32, token: &str) {
        let access = format!("{}/lease/{ctid}/access", self.url());
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let request = self.http.get(&access).bearer_auth(token);
            let access: Value = request.send().await.unwrap().json().await.unwrap();
            if access["via"] == "ssh" {
                return;
            }
            assert!(Instant::now() < deadline, "SSH does not work: {access}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The file of the store.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The ways into containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaysIn {
    /// The terminal alone.
    Terminal,
    /// SSH as well.
    Ssh,
    /// SSH, and published ports by it.
    Visitors,
}

/// The simulator's program, which is built beside the service's. It runs in containers as their SSH
/// server.
pub fn simulator_program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_proxmox-api")).with_file_name("pve-sim")
}

/// The process.
pub struct Service(Child);

impl Service {
    /// Starts it with an empty environment, and with the log that an installation writes.
    fn start(
        address: &str,
        sim: &Sim,
        nodes: &[&str],
        folder: &TempDir,
        database: Option<&str>,
        (ways, ingress): (WaysIn, Option<SocketAddr>),
    ) -> Self {
        let ssh = ways != WaysIn::Terminal;
        let ingress = ingress.map_or(0, |ingress| ingress.port()).to_string();
        let port = address.rsplit_once(':').unwrap().1;
        let file = |name: &str| folder.path().join(name);
        let beside = file(FILE).to_str().unwrap().to_owned();
        let child = Command::new(env!("CARGO_BIN_EXE_proxmox-api"))
            .env_clear()
            .envs([
                ("PORT", port),
                ("INGRESS_PORT", &ingress),
                ("SSH_PORT", "0"),
                // Public development account 1.
                ("ADDRESS", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
                ("FACILITATOR", "demo"),
                ("DATABASE", database.unwrap_or(&beside)),
                ("LEASES_PER_WALLET", "10000"),
                ("LEASES_IN_FLIGHT_PER_WALLET", &IN_FLIGHT.to_string()),
                ("PVE_CREATES_PER_NODE", "64"),
                ("FREE_CALLS_PER_MINUTE", "100000"),
                ("PVE_HOST", &sim.url()),
                ("PVE_TOKEN_ID", &sim.token_id()),
                ("PVE_TOKEN_SECRET", &sim.token_secret()),
                ("PVE_FINGERPRINT", &sim.fingerprint()),
                ("PVE_NODE", &nodes.join(",")),
                ("GUEST_SSH", if ssh { "true" } else { "false" }),
                ("GUEST_PROXY", &format!("socks5h://{}", sim.guest_proxy())),
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(File::create(file(&format!("log-{port}"))).unwrap())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        process::resident(self.pid())
    }

    /// The most resident memory so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        process::resident_peak(self.pid())
    }

    /// Processor time used so far.
    pub fn processor_times(&self) -> ProcessorTimes {
        ProcessorTimes::of(self.pid())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}
