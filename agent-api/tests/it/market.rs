//! The real lease API on the simulated Proxmox, with play money.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proxmox_api::{App, app, config::Config, start_work};
use pve_sim::{ShellMode, Sim, SimConfig};
use serde_json::{Value, json};
use service::{clock::SystemClock, env::Env, metrics::Metrics};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    customer::Customer,
    fake_lease_api::{PAYEE, serve},
};

/// The lease API with its simulator and folder; all of it ends when this is dropped.
pub struct Market {
    pub sim: Sim,
    pub url: String,
    http: reqwest::Client,
    state: App,
    _folder: TempDir,
    _running: [JoinSet<()>; 2],
}

impl Market {
    /// Starts the lease API.
    pub async fn open() -> Self {
        Self::with(&[]).await
    }

    /// The same with further settings of the lease API.
    pub async fn with(more: &[(&str, &str)]) -> Self {
        service::crypto::install_ring_provider();
        let simulated = SimConfig {
            time_scale: 0.002,
            shell: ShellMode::HostForTests("/bin/sh".into()),
            ..SimConfig::default()
        };
        Self::on(Sim::start(simulated).await.unwrap(), more).await
    }

    /// The same with confined containers that are reached over SSH.
    pub async fn with_ssh() -> Self {
        service::crypto::install_ring_provider();
        // Cargo builds a package's examples for its tests.
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap();
        let program = folder.join("examples/container_end");
        assert!(program.exists(), "cargo build -p agent-api --examples");
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
                ("GUEST_SSH", "false".to_owned()),
            ]
            .into_iter()
            .chain(more),
        );
        let config = Config::from_env(env).unwrap();
        let state = App::start(config, Arc::new(SystemClock)).await.unwrap();
        let workers = start_work(&state).await.unwrap();
        let (url, serving) = serve(app(state.clone(), Metrics::install().unwrap())).await;
        Self {
            sim,
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            state,
            _folder: folder,
            _running: [workers, serving],
        }
    }

    /// A customer with play money.
    pub async fn customer(&self, number: u64) -> Customer {
        let customer = Customer::new(number);
        let body = json!({ "address": customer.wallet() });
        let asked = self
            .http
            .post(format!("{}/demo/faucet", self.url))
            .json(&body);
        assert_eq!(asked.send().await.unwrap().status(), 200);
        customer
    }

    /// A wallet session of a customer: the bearer token.
    pub async fn sign_in(&self, customer: &Customer) -> String {
        let post = async |path: &str, body: Value| {
            let asked = self.http.post(format!("{}{path}", self.url)).json(&body);
            asked.send().await.unwrap().json::<Value>().await.unwrap()
        };
        let address = json!({ "address": customer.wallet() });
        let challenge = post("/session/challenge", address).await;
        let message = challenge["message"].as_str().unwrap();
        let signed = json!({"message": message, "signature": customer.sign_text(message)});
        let session = post("/session", signed).await;
        session["token"].as_str().unwrap().to_owned()
    }

    /// Waits until a lease's container is reached over SSH.
    pub async fn reached(&self, lease: &Value, session: &str) {
        let path = format!("{}/lease/{}/access", self.url, lease["ctid"]);
        let by = Instant::now() + Duration::from_secs(60);
        loop {
            let asked = self.http.get(&path).bearer_auth(session).send().await;
            let access: Value = asked.unwrap().json().await.unwrap();
            if access["via"] == "ssh" {
                return;
            }
            assert!(Instant::now() < by, "not reached over SSH: {access}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Play money of a customer, atomic units.
    pub async fn balance(&self, customer: &Customer) -> u64 {
        let network = self.state.config.payments.network;
        let asset = network.usdc.address;
        let wallet = customer.wallet().parse().unwrap();
        let balance = self.state.store.demo_balance(network.caip2, asset, &wallet);
        balance.await.unwrap()
    }

    /// A container's status on the simulator.
    pub fn status(&self, lease: &Value) -> Option<String> {
        let ctid = u32::try_from(lease["ctid"].as_u64()?).unwrap();
        Some(self.sim.container(ctid)?.status.to_string())
    }
}
