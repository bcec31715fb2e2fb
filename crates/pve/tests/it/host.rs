//! Running containers behind a terminal proxy with some or all defects of the real one.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use pve::{
    Auth, Client, ClientConfig, Consoles, CreateContainer, ExecError, ExecOutcome, ExecRequest,
    NodeName, OutputSink, RootFs, Terminal, TerminalLocks, Tls, Vmid, WaitOptions,
};
use pve_sim::{ShellMode, Sim, SimConfig, TerminalDefects};
use tokio::sync::{Mutex, MutexGuard, Notify};

/// Uses all cores until it is dropped. Only one exists at a time.
pub struct Load(Vec<Child>, #[allow(dead_code)] MutexGuard<'static, ()>);

static LOAD: Mutex<()> = Mutex::const_new(());

impl Load {
    pub async fn start() -> Self {
        let one_at_a_time = LOAD.lock().await;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let one = || {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).spawn().unwrap()
        };
        Self((0..cores).map(|_| one()).collect(), one_at_a_time)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A POSIX shell that every Debian has.
pub fn sh() -> ShellMode {
    ShellMode::HostForTests("/bin/sh".into())
}

/// Running containers, and the client that opens their terminals.
pub struct Host {
    pub consoles: Consoles,
    pub node: NodeName,
    pub containers: Vec<Vmid>,
    pub sim: Sim,
}

/// Starts this many containers with this shell.
pub async fn host(shell: ShellMode, terminal_defects: TerminalDefects, containers: u32) -> Host {
    let config = SimConfig {
        time_scale: 0.001,
        tls: false,
        shell,
        terminal_defects,
        ..SimConfig::default()
    };
    let sim = Sim::start(config).await.unwrap();
    let auth = Auth::token(sim.token_id(), sim.token_secret());
    let mut config = ClientConfig::new(sim.url(), auth);
    config.tls = Tls::System;
    let client = Client::new(config).unwrap();
    let node: NodeName = sim.node().parse().unwrap();
    let wait = || WaitOptions::within(Duration::from_secs(10));
    let mut vmids = Vec::new();
    for number in 0..containers {
        let vmid: Vmid = (5001 + number).to_string().parse().unwrap();
        let rootfs = RootFs {
            storage: "local-lvm".into(),
            size_gib: 8,
        };
        let template = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
        let mut container = CreateContainer::new(vmid, template, rootfs);
        container.pool = Some("infra402".into());
        let upid = client.create(&node, &container).await.unwrap();
        assert!(client.wait(&upid, wait()).await.unwrap().is_success());
        let upid = client.start(&node, vmid).await.unwrap();
        assert!(client.wait(&upid, wait()).await.unwrap().is_success());
        vmids.push(vmid);
    }
    // As many at a time as there are containers.
    let locks = TerminalLocks::new(vmids.len());
    Host {
        consoles: Consoles::new(client, None, locks),
        node,
        containers: vmids,
        sim,
    }
}

impl Host {
    /// Runs a script and returns its outcome.
    pub async fn exec(
        &self,
        vmid: Vmid,
        script: impl Into<Vec<u8>>,
    ) -> Result<ExecOutcome, ExecError> {
        let request = ExecRequest::new(script);
        self.consoles.exec(&self.node, vmid, request, None).await
    }

    /// Runs a script and returns its standard output.
    pub async fn run(&self, vmid: Vmid, script: String) -> Result<String, ExecError> {
        let outcome = self.exec(vmid, script).await?;
        Ok(String::from_utf8(outcome.stdout).unwrap())
    }

    /// Runs scripts in all containers concurrently, `each` of them one after the other in each
    /// container, and counts those whose result is their own number.
    pub async fn results(self, each: usize, script: fn(usize) -> String) -> usize {
        let host = Arc::new(self);
        let all = host.containers.clone().into_iter().map(|vmid| {
            let host = host.clone();
            tokio::spawn(async move {
                let mut results = 0;
                for number in 0..each {
                    match host.run(vmid, script(number)).await {
                        Ok(text) if text == format!("{number}\n") => results += 1,
                        other => eprintln!("{vmid} {number}: {other:?}"),
                    }
                }
                results
            })
        });
        let mut results = 0;
        for one in all.collect::<Vec<_>>() {
            results += one.await.unwrap();
        }
        results
    }

    /// Opens the first container's terminal.
    pub async fn terminal(&self) -> Terminal {
        let client = self.consoles.client();
        let vmid = self.containers[0];
        client.terminal(&self.node, vmid, 80, 24).await.unwrap()
    }
}

/// Types a line and waits until it has run.
pub async fn types(console: &mut Terminal, line: &str) {
    let line = format!("{line} && printf 'do-%s\\n' ne\r");
    console.write(line.as_bytes()).await.unwrap();
    shows(console, "do-ne").await;
}

/// Waits until something is shown. Input before the prompt may be lost.
pub async fn shows(console: &mut Terminal, text: &str) {
    let mut shown = Vec::new();
    let all = async {
        while !String::from_utf8_lossy(&shown).contains(text) {
            shown.extend_from_slice(&console.read().await.unwrap().expect("it goes on"));
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(done.is_ok(), "{:?}", String::from_utf8_lossy(&shown));
}

/// A sink for output, and what is notified of the first output in it.
pub fn first_output() -> (Arc<Notify>, OutputSink) {
    let begun = Arc::new(Notify::new());
    let notify = begun.clone();
    (begun, OutputSink::new(move |_, _| notify.notify_one()))
}
