//! The real lease API on the simulated Proxmox, with play money.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use axum::Router;
use proxmox_api::{App, app, config::Config, ingress, jump, start_work};
use pve_sim::{ShellMode, Sim, SimConfig};
use serde_json::json;
use service::{
    clock::SystemClock,
    env::Env,
    metrics::Metrics,
    serve::{Shutdown, serve as serve_until},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use x402::network::Network;

use crate::program::Program;

/// The payee, public development account 1.
const PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// The lease API with its simulator and folder; all of it ends when this is dropped.
pub struct Market {
    pub url: String,
    state: App,
    http: reqwest::Client,
    /// The simulated Proxmox.
    pub sim: Sim,
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

    /// A service with confined containers that are reached over SSH, with published ports and a
    /// jump host.
    pub async fn with_ssh() -> Self {
        Self::with_ssh_and(&[]).await
    }

    /// The same with further settings.
    pub async fn with_ssh_and(more: &[(&str, &str)]) -> Self {
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
        let mut settings = vec![("GUEST_SSH", "true"), ("GUEST_PROXY", proxy.as_str())];
        settings.extend(more);
        Self::on(sim, &settings).await
    }

    async fn on(sim: Sim, more: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        // Bound first, because addresses that are given out name the ports.
        let [listener, visitors, clients] = [bind().await, bind().await, bind().await];
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{}", port(&listener));
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
                ("PUBLIC_BASE_URL", url.clone()),
                ("INGRESS_PORT", port(&visitors).to_string()),
                ("SSH_PORT", port(&clients).to_string()),
            ]
            .into_iter()
            .chain(more),
        );
        let config = Config::from_env(env).unwrap();
        let state = App::start(config, Arc::new(SystemClock)).await.unwrap();
        let workers = start_work(&state).await.unwrap();
        let mut serving = JoinSet::new();
        serve_on(
            &mut serving,
            listener,
            app(state.clone(), Metrics::install().unwrap()),
        );
        serve_visitors(&mut serving, &state, visitors, clients);
        Self {
            url,
            state,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            sim,
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
    let listener = bind().await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serve_on(&mut serving, listener, router);
    (url, serving)
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn serve_on(serving: &mut JoinSet<()>, listener: TcpListener, router: Router) {
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
}

/// Serves published ports and the jump host, where the configuration has them.
fn serve_visitors(
    serving: &mut JoinSet<()>,
    state: &App,
    visitors: TcpListener,
    clients: TcpListener,
) {
    if let Some(config) = state.config.ingress.clone() {
        let router = ingress::router(state, config.domain);
        let limits = ingress::limits(state);
        serving.spawn(async move {
            let (_, shutdown) = Shutdown::manual();
            let served = serve_until(visitors, router, shutdown, Duration::ZERO, limits);
            served.await.unwrap();
        });
    }
    if let Some(config) = &state.config.jump_host {
        let host = jump::jump_host(state, config);
        serving.spawn(jump_host::serve(clients, host, std::future::pending()));
    }
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
