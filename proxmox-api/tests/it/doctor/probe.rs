//! The probe tries the fence from inside throwaway containers, keeps what it has shown, and leaves no
//! container behind. In the simulator a container's network is this machine's.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use proxmox_api::{
    config::Config,
    doctor::{
        Severity,
        probe::{self, Way, Ways},
        report,
    },
    lease::fence::{PROVEN, is_proven},
    proxmox::Proxmox,
    store::Store,
};
use pve_sim::{ShellMode, SimConfig};
use service::clock::SystemClock;

use crate::guest::host_shell;

use super::{
    Finding, Installation,
    fence::{NETWORK, fenced},
    quick,
};

/// A port from which no answer comes: its queue is full, so that further connections are not even
/// refused.
struct Silent {
    port: u16,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Silent {
    fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap().into_std().unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
            queue.push(stream);
            assert!(queue.len() < 100, "a queue of one takes no hundred");
        }
        Self {
            port: address.port(),
            _listener: listener,
            _queue: queue,
        }
    }
}

struct Probed {
    installation: Installation,
    config: Config,
    store: Store,
}

impl Probed {
    async fn on(shell: ShellMode) -> Self {
        let installation = fenced(SimConfig { shell, ..quick() }).await;
        let config = Config::from_env(installation.env(&NETWORK)).unwrap();
        let store = Store::of(&config.database).await.unwrap();
        Self {
            installation,
            config,
            store,
        }
    }

    async fn findings(&self, ways: Vec<Way>, stopped: bool) -> Vec<Finding> {
        let proxmox = Proxmox::new(self.config.proxmox.clone(), None).unwrap();
        let ways = Ways::These(ways);
        let stopped = AtomicBool::new(stopped);
        probe::run(&self.config, &proxmox, &SystemClock, ways, &stopped).await
    }

    async fn is_proven(&self) -> bool {
        is_proven(&self.store, "i402net", "10.64.0.0/20")
            .await
            .unwrap()
    }

    /// Whether containers were made, and all of them removed.
    fn made_and_left(&self) -> (usize, usize) {
        let sim = &self.installation.sim;
        let made = sim.request_count("POST", "/nodes/pve/lxc");
        (made, sim.containers().len())
    }
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_fence_that_holds_is_proven_and_nothing_is_left() {
    let Some(shell) = host_shell("bash") else {
        return;
    };
    let probed = Probed::on(shell).await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Silent::new();
    let ways = vec![
        Way::closed("the host", "127.0.0.1", silent.port),
        Way::open("a server", "127.0.0.1", port(&server)),
    ];
    let findings = probed.findings(ways, false).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(probed.is_proven().await);
    let (made, left) = probed.made_and_left();
    assert!(made >= 2 && left == 0, "{made} made, {left} left");
}

#[tokio::test]
async fn a_way_that_is_open_or_refused_disproves_what_was_proven_before() {
    let Some(shell) = host_shell("bash") else {
        return;
    };
    let probed = Probed::on(shell).await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Silent::new();
    let refusing = port(&TcpListener::bind("127.0.0.1:0").unwrap());
    for way in [
        Way::closed("the host", "127.0.0.1", port(&server)),
        Way::closed("a host that refuses", "127.0.0.1", refusing),
        Way::open("the internet", "127.0.0.1", silent.port),
    ] {
        let holds = vec![Way::open("a server", "127.0.0.1", port(&server))];
        probed.findings(holds, false).await;
        assert!(probed.is_proven().await);
        let findings = probed.findings(vec![way.clone()], false).await;
        assert_eq!(
            report::worst(&findings),
            Severity::Error,
            "{way:?}: {findings:#?}"
        );
        assert!(!probed.is_proven().await, "{way:?}");
        assert_eq!(probed.made_and_left().1, 0);
    }
}

#[tokio::test]
async fn a_probe_that_cannot_try_proves_nothing_and_leaves_nothing() {
    // Its shell knows neither bash nor timeout.
    let probed = Probed::on(ShellMode::Toy).await;
    let ways = vec![Way::closed("the host", "127.0.0.1", 8006)];
    let findings = probed.findings(ways, false).await;
    assert_eq!(report::worst(&findings), Severity::Error, "{findings:#?}");
    assert!(!probed.is_proven().await);
    let (made, left) = probed.made_and_left();
    assert!(made >= 2 && left == 0, "{made} made, {left} left");

    let findings = probed.findings(Vec::new(), true).await;
    assert!(
        findings
            .iter()
            .any(|finding| finding.found == "it was stopped"),
        "{findings:#?}"
    );
    assert!(!probed.is_proven().await);
}

#[tokio::test]
async fn another_containers_number_is_left_alone() {
    let Some(shell) = host_shell("bash") else {
        return;
    };
    let probed = Probed::on(shell).await;
    let sim = &probed.installation.sim;
    // The number that the probe asks for first.
    sim.put_foreign_container(49_999, "somebody");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let ways = vec![Way::open("a server", "127.0.0.1", port(&server))];
    let findings = probed.findings(ways, false).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    let left: Vec<u32> = sim
        .containers()
        .iter()
        .map(|container| container.vmid)
        .collect();
    assert_eq!(left, [49_999]);
}

#[tokio::test]
async fn without_a_network_nothing_is_made() {
    let probed = Probed::on(ShellMode::Toy).await;
    let config = Config::from_env(probed.installation.env(&[])).unwrap();
    let proxmox = Proxmox::new(config.proxmox.clone(), None).unwrap();
    let stopped = AtomicBool::new(false);
    let findings = probe::run(&config, &proxmox, &SystemClock, Ways::OfTenants, &stopped).await;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].found, "PVE_NETWORK is not set");
    assert_eq!(probed.made_and_left(), (0, 0));
    assert_eq!(probed.store.kept(PROVEN).await.unwrap(), None);
}
