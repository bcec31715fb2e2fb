//! The real lease API on the simulated Proxmox, with play money.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use axum::Router;
use proxmox_api::{App, app, config::Config, start_work};
use pve_sim::{ShellMode, Sim, SimConfig};
use serde_json::json;
use service::{clock::SystemClock, env::Env, metrics::Metrics};
use tempfile::TempDir;
use tokio::task::JoinSet;
use x402::network::Network;

use crate::program::Program;

/// The payee, public development account 1.
const PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// The lease API with its simulator and folder; all of it ends when this is dropped.
pub struct Market {
    pub url: String,
    state: App,
    http: reqwest::Client,
    _sim: Sim,
    _folder: TempDir,
    _running: [JoinSet<()>; 2],
}

impl Market {
    /// A service whose containers are reached by their terminal only.
    pub async fn open() -> Self {
        let simulated = SimConfig {
            time_scale: 0.002,
            shell: ShellMode::HostForTests("/bin/sh".into()),
            ..SimConfig::default()
        };
        let sim = Sim::start(simulated).await.unwrap();
        Self::on(sim, &[("GUEST_SSH", "false")]).await
    }

    /// A service with confined containers that are reached over SSH.
    pub async fn with_ssh() -> Self {
        // Cargo builds a package's examples for its tests.
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap();
        let program = folder.join("examples/container_end");
        assert!(program.exists(), "cargo build -p cli --examples");
        let simulated = SimConfig {
            time_scale: 0.002,
            shell: ShellMode::Confined,
            guest_program: Some(program),
            ..SimConfig::default()
        };
        let sim = Sim::start(simulated).await.unwrap();
        let proxy = format!("socks5h://{}", sim.guest_proxy());
        Self::on(sim, &[("GUEST_SSH", "true"), ("GUEST_PROXY", &proxy)]).await
    }

    async fn on(sim: Sim, more: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("market.sqlite").display().to_string();
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let env = Env::from_map(
            [
                ("ADDRESS", PAYEE.to_owned()),
                ("FACILITATOR", "demo".to_owned()),
                ("DATABASE", database),
                ("PVE_HOST", sim.url()),
                ("PVE_TOKEN_ID", sim.token_id()),
                ("PVE_TOKEN_SECRET", sim.token_secret()),
                ("PVE_FINGERPRINT", sim.fingerprint()),
                ("PVE_NODE", sim.node()),
            ]
            .into_iter()
            .chain(more),
        );
        let config = Config::from_env(env).unwrap();
        let state = App::start(config, Arc::new(SystemClock)).await.unwrap();
        let workers = start_work(&state).await.unwrap();
        let (url, serving) = serve(app(state.clone(), Metrics::install().unwrap())).await;
        Self {
            url,
            state,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _sim: sim,
            _folder: folder,
            _running: [workers, serving],
        }
    }

    /// A customer with play money, at this service.
    pub async fn customer(&self, number: u64) -> Program {
        let program = Program::new(&self.url, number);
        self.fund(program.wallet()).await;
        program
    }

    /// Gives a wallet play money.
    pub async fn fund(&self, wallet: Address) {
        let body = json!({ "address": wallet });
        let asked = self
            .http
            .post(format!("{}/demo/faucet", self.url))
            .json(&body);
        assert_eq!(asked.send().await.unwrap().status(), 200);
    }

    /// Play money of a wallet, atomic units.
    pub async fn balance(&self, wallet: Address) -> u64 {
        let network = Network::by_name("base-sepolia").unwrap();
        let asset = network.usdc.address;
        let (store, wallet) = (&self.state.store, wallet.into());
        let balance = store.demo_balance(network.caip2, asset, &wallet);
        balance.await.unwrap()
    }
}

/// Serves a router on a free port of this host until the set is dropped.
pub async fn serve(router: Router) -> (String, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, serving)
}

/// Waits until `look` finds something, and fails with the name of the condition after a deadline.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within the deadline: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
