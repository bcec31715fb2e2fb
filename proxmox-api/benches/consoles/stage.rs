//! A simulated Proxmox, the service as a process, and a customer with play money.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy::signers::local::PrivateKeySigner;
use futures_util::{SinkExt as _, StreamExt as _};
use pve_sim::{ShellMode, Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use x402::client::PayingClient;

/// Everything; what it started goes with it.
pub struct Stage {
    url: String,
    client: PayingClient,
    http: reqwest::Client,
    service: Child,
    _sim: Sim,
    _folder: TempDir,
}

impl Stage {
    pub async fn start() -> Self {
        service::crypto::install_ring_provider();
        let sim = Sim::start(SimConfig {
            time_scale: 0.001,
            shell: ShellMode::HostForTests("/bin/sh".into()),
            ..SimConfig::default()
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().await;
        let url = format!("http://127.0.0.1:{port}");
        let service = Command::new(env!("CARGO_BIN_EXE_proxmox-api"))
            .env_clear()
            .envs([
                ("PORT", port.to_string()),
                // Public development account 1.
                (
                    "ADDRESS",
                    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".into(),
                ),
                ("FACILITATOR", "demo".into()),
                (
                    "DATABASE",
                    folder.path().join("bench.sqlite").display().to_string(),
                ),
                ("LEASES_PER_WALLET", "1000".into()),
                ("FREE_CALLS_PER_MINUTE", "100000".into()),
                ("PVE_HOST", sim.url()),
                ("PVE_TOKEN_ID", sim.token_id()),
                ("PVE_TOKEN_SECRET", sim.token_secret()),
                ("PVE_FINGERPRINT", sim.fingerprint()),
                ("PVE_NODE", sim.node()),
                ("RUST_LOG", "warn".into()),
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while http.get(format!("{url}/health")).send().await.is_err() {
            assert!(Instant::now() < deadline, "the service does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let signer = PrivateKeySigner::random();
        let address = json!({"address": signer.address()});
        let filled = http
            .post(format!("{url}/demo/faucet"))
            .json(&address)
            .send()
            .await;
        assert!(filled.unwrap().status().is_success());
        let client = PayingClient::builder(http.clone(), signer)
            .networks(["base-sepolia"])
            .build();
        Self {
            url,
            client,
            http,
            service,
            _sim: sim,
            _folder: folder,
        }
    }

    async fn pay(&self, path: &str, body: Value) -> Value {
        let request = self
            .http
            .request(Method::POST, format!("{}{path}", self.url));
        let answer = self.client.send(request.json(&body)).await.unwrap();
        let status = answer.response.status();
        let body: Value = answer.response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// A container, small enough that hundreds are paid for.
    pub async fn lease(&self) -> u32 {
        let body = json!({"runtimeMinutes": 60, "memoryMB": 64, "diskGB": 1});
        let lease = self.pay("/lease/container", body).await;
        lease["ctid"].as_u64().unwrap().try_into().unwrap()
    }

    pub async fn exec(&self, ctid: u32, body: Value) -> Value {
        self.pay(&format!("/management/exec/{ctid}"), body).await
    }

    /// Resident memory of the service, bytes.
    pub fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.service.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// An open console.
pub struct Console(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Console {
    /// Buys a ticket, opens it and waits until the shell is quiet.
    pub async fn open(stage: &Stage, ctid: u32) -> Self {
        let bought = stage
            .pay(&format!("/management/console/{ctid}"), json!({}))
            .await;
        let url = format!("{}/console/ws", stage.url.replace("http://", "ws://"));
        let (mut socket, _) = connect_async(url).await.unwrap();
        let opening = json!({"ticket": bought["ticket"]}).to_string();
        socket.send(Message::text(opening)).await.unwrap();
        let quiet = Duration::from_millis(200);
        while tokio::time::timeout(quiet, socket.next()).await.is_ok() {}
        Self(socket)
    }

    /// Types a key and waits until it is shown.
    pub async fn echo(&mut self, key: &[u8]) {
        self.0.send(Message::binary(key.to_vec())).await.unwrap();
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Binary(bytes) if bytes.windows(key.len()).any(|window| window == key) => {
                    return;
                }
                _ => {}
            }
        }
    }
}
