//! A plain client, which knows nothing about Proxmox except headers and forms.

use std::time::{Duration, Instant};

use pve_sim::{Sim, SimConfig};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

pub const DEBIAN: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

/// A simulator at a thousand times the speed, and a client of it.
pub struct Node {
    pub sim: Sim,
    http: reqwest::Client,
}

/// A response with its parts.
#[derive(Debug)]
pub struct TestResponse {
    pub status: u16,
    pub reason: String,
    pub body: Value,
}

impl TestResponse {
    pub fn data(&self) -> &Value {
        assert_eq!(self.status, 200, "{self:?}");
        &self.body["data"]
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default().trim_end()
    }
}

impl Node {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut SimConfig)) -> Self {
        let mut config = SimConfig {
            time_scale: 0.001,
            ..SimConfig::default()
        };
        change(&mut config);
        let sim = Sim::start(config).await.unwrap();
        let http = client(&sim);
        Self { sim, http }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}/api2/json{path}", self.sim.url());
        self.http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    pub fn authorization(&self) -> String {
        format!(
            "PVEAPIToken={}={}",
            self.sim.token_id(),
            self.sim.token_secret()
        )
    }

    /// Sends a request with the service's token; parameters go where Proxmox expects them.
    pub async fn call(&self, method: &str, path: &str, params: &[(&str, &str)]) -> TestResponse {
        let request = with_params(self.request(method, path), method, params);
        send(request.header("Authorization", self.authorization())).await
    }

    /// Sends a request as `root@pam`.
    pub async fn as_root(&self, method: &str, path: &str, params: &[(&str, &str)]) -> TestResponse {
        let login = self.login("root@pam", &self.sim.root_password()).await;
        self.as_ticket(&login, method, path, params).await
    }

    pub async fn login(&self, user: &str, password: &str) -> TestResponse {
        let form = [("username", user), ("password", password)];
        send(self.request("POST", "/access/ticket").form(&form)).await
    }

    pub async fn as_ticket(
        &self,
        login: &TestResponse,
        method: &str,
        path: &str,
        params: &[(&str, &str)],
    ) -> TestResponse {
        let data = login.data();
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        let request = with_params(self.request(method, path), method, params)
            .header("Cookie", format!("PVEAuthCookie={}", text("ticket")))
            .header("CSRFPreventionToken", text("CSRFPreventionToken"));
        send(request).await
    }

    pub async fn create(&self, vmid: u32, more: &[(&str, &str)]) -> TestResponse {
        let vmid = vmid.to_string();
        let mut params = vec![
            ("vmid", vmid.as_str()),
            ("ostemplate", DEBIAN),
            ("rootfs", "local-lvm:8"),
            ("net0", "name=eth0,bridge=vmbr0,ip=dhcp"),
            ("features", "nesting=1"),
            ("unprivileged", "1"),
            ("pool", "infra402"),
        ];
        params.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        params.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.call("POST", "/nodes/pve/lxc", &params).await
    }

    /// Waits for a task and returns its exit status.
    pub async fn finish(&self, reply: &TestResponse) -> String {
        let upid = reply.data().as_str().unwrap().to_owned();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let status = self
                .call("GET", &format!("/nodes/pve/tasks/{upid}/status"), &[])
                .await;
            if status.data()["status"] == "stopped" {
                return status.data()["exitstatus"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "task {upid} does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Makes a container that is stopped.
    pub async fn container(&self, vmid: u32) {
        let reply = self.create(vmid, &[]).await;
        assert_eq!(self.finish(&reply).await, "OK");
    }

    /// Makes a container that runs.
    pub async fn running(&self, vmid: u32) {
        self.container(vmid).await;
        let reply = self
            .call("POST", &format!("/nodes/pve/lxc/{vmid}/status/start"), &[])
            .await;
        assert_eq!(self.finish(&reply).await, "OK");
    }
}

fn client(sim: &Sim) -> reqwest::Client {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(sim.ca_pem().as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .http1_only()
        // The simulator closes a connection that a slow test leaves idle.
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

fn with_params(request: RequestBuilder, method: &str, params: &[(&str, &str)]) -> RequestBuilder {
    match method {
        "GET" | "DELETE" => request.query(params),
        _ => request.form(params),
    }
}

pub async fn send(request: RequestBuilder) -> TestResponse {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let reason = response
        .extensions()
        .get::<hyper::ext::ReasonPhrase>()
        .map_or_else(
            || {
                response
                    .status()
                    .canonical_reason()
                    .unwrap_or_default()
                    .to_owned()
            },
            |reason| String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        );
    let body = response.bytes().await.unwrap();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    TestResponse {
        status,
        reason,
        body,
    }
}
