//! Commands and pasted text through a terminal proxy with the defects of the real one.

use std::time::Duration;

use pve::{
    Auth, Client, ClientConfig, ConsoleLocks, Consoles, CreateContainer, ExecRequest, NodeName,
    RootFs, Terminal, Tls, Vmid, WaitOptions,
};
use pve_sim::{ShellMode, Sim, SimConfig, TerminalDefects};

const LOST_TAIL: TerminalDefects = TerminalDefects {
    loses_tail: true,
    ..TerminalDefects::NONE
};
const SPLIT_HEADERS: TerminalDefects = TerminalDefects {
    splits_headers: true,
    ..TerminalDefects::NONE
};
const ECHO: TerminalDefects = TerminalDefects {
    waits_for_echo: true,
    ..TerminalDefects::NONE
};

/// Running containers behind such a proxy.
struct Host {
    consoles: Consoles,
    node: NodeName,
    containers: Vec<Vmid>,
    _sim: Sim,
}

async fn host(shell: ShellMode, terminal_defects: TerminalDefects, containers: u32) -> Host {
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
        let wait = || WaitOptions::within(Duration::from_secs(10));
        let upid = client.create(&node, &container).await.unwrap();
        assert!(client.wait(&upid, wait()).await.unwrap().is_success());
        let upid = client.start(&node, vmid).await.unwrap();
        assert!(client.wait(&upid, wait()).await.unwrap().is_success());
        vmids.push(vmid);
    }
    Host {
        consoles: Consoles::new(client, None, ConsoleLocks::default()),
        node,
        containers: vmids,
        _sim: sim,
    }
}

impl Host {
    async fn run(&self, vmid: Vmid, script: String) -> Result<String, pve::ExecError> {
        let request = ExecRequest::new(script);
        let outcome = self.consoles.exec(&self.node, vmid, request, None).await?;
        Ok(String::from_utf8(outcome.stdout).unwrap())
    }

    /// Short commands one after the other in each container, and how many gave their result.
    async fn results(self, each: usize) -> usize {
        let host = std::sync::Arc::new(self);
        let all = host.containers.clone().into_iter().map(|vmid| {
            let host = host.clone();
            tokio::spawn(async move {
                let mut results = 0;
                for number in 0..each {
                    let answer = host.run(vmid, format!("echo {number}")).await;
                    results += usize::from(answer.is_ok_and(|text| text == format!("{number}\n")));
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

    async fn terminal(&self) -> Terminal {
        let client = self.consoles.client();
        let vmid = self.containers[0];
        client.terminal(&self.node, vmid, 80, 24).await.unwrap()
    }
}

fn sh() -> ShellMode {
    ShellMode::HostForTests("/bin/sh".into())
}

/// A script of so many bytes.
fn long(bytes: usize) -> String {
    let mut script = "# a comment that makes the script long\n".repeat(bytes / 39 + 1);
    script.truncate(bytes - 10);
    script + "\necho end\n"
}

#[tokio::test]
async fn fifty_short_commands_give_fifty_results_where_the_tail_is_lost() {
    assert_eq!(
        host(ShellMode::Toy, LOST_TAIL, 5).await.results(10).await,
        50
    );
    assert_eq!(host(sh(), LOST_TAIL, 5).await.results(2).await, 10);
}

#[tokio::test]
async fn long_commands_give_their_results_where_headers_are_split() {
    for shell in [ShellMode::Toy, sh()] {
        let host = host(shell, SPLIT_HEADERS, 1).await;
        // Typed in pieces of 512 bytes, the first two have a header across a border.
        for bytes in [20_708, 62_612, 120_000] {
            let answer = host.run(host.containers[0], long(bytes)).await;
            assert_eq!(answer.unwrap(), "end\n", "{bytes}");
        }
    }
}

#[tokio::test]
async fn no_message_is_lost_where_its_header_would_be_split() {
    let host = host(sh(), SPLIT_HEADERS, 1).await;
    let mut terminal = host.terminal().await;
    // Behind the size (9 bytes) and this, one byte is left to the border.
    let line = format!("true {}\r", "x".repeat(4073));
    assert_eq!(9 + format!("0:{}:{line}", line.len()).len(), 4095);
    terminal.write(line.as_bytes()).await.unwrap();
    terminal.write(b"printf 'do-%s' ne\r").await.unwrap();
    assert!(shows_done(&mut terminal).await);
}

#[tokio::test]
async fn short_and_long_commands_give_their_results_with_all_defects_together() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    for bytes in [10, 62_612, 10, 120_000] {
        let answer = host.run(host.containers[0], long(bytes)).await;
        assert_eq!(answer.unwrap(), "end\n", "{bytes}");
    }
}

/// Whether a terminal shows that it has taken the end of a paste.
async fn shows_done(terminal: &mut Terminal) -> bool {
    let mut shown = Vec::new();
    let all = async {
        while let Some(bytes) = terminal.read().await.unwrap() {
            shown.extend_from_slice(&bytes);
            if String::from_utf8_lossy(&shown).contains("do-ne") {
                return true;
            }
        }
        false
    };
    let limit = Duration::from_secs(5);
    tokio::time::timeout(limit, all).await.unwrap_or(false)
}

#[tokio::test]
async fn what_is_pasted_does_not_block_the_terminal() {
    let line = "true a line that is pasted\r";
    let pasted = format!("{}printf 'do-%s' ne\r", line.repeat(30_000 / line.len()));
    let host = host(sh(), ECHO, 1).await;
    let mut terminal = host.terminal().await;
    terminal.paced().write(pasted.as_bytes()).await.unwrap();
    assert!(shows_done(&mut terminal).await);
    // At once, it does: this is the defect.
    let mut terminal = host.terminal().await;
    terminal.write(pasted.as_bytes()).await.unwrap();
    assert!(!shows_done(&mut terminal).await);
}
