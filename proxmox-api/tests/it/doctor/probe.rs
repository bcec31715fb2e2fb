//! The probe tests the fence from inside throwaway containers, stores the result, and removes the
//! containers. In the simulator a container's network is this machine's.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use proxmox_api::{
    config::Config,
    doctor::{
        Severity,
        probe::{self, AddressClaim, ExtraChecks, NetworkPath, ProbeScope},
        report,
    },
    lease::network::fence::{self as fence_of_leases, PROVEN},
    proxmox::Proxmox,
    shares::Shares,
    store::{ProbeClaim, Store},
};
use pve_sim::{ShellMode, SimConfig};
use service::clock::{Clock as _, SystemClock};

use crate::guest::{host_shell, plain_shell};

use super::{
    Finding, Installation,
    fence::{NETWORK, fenced},
    quick,
};

/// A port that never answers: its queue is full, so that further connections are not even refused.
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
        let timeout = Duration::from_millis(300);
        while let Ok(stream) = TcpStream::connect_timeout(&address, timeout) {
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

pub struct Probed {
    pub installation: Installation,
    config: Config,
    store: Store,
}

impl Probed {
    pub async fn on(shell: ShellMode) -> Self {
        Self::with(SimConfig { shell, ..quick() }).await
    }

    async fn with(config: SimConfig) -> Self {
        let installation = fenced(config).await;
        let config = Config::from_env(installation.env(&NETWORK)).unwrap();
        let store = Store::open_database(&config.database).await.unwrap();
        Self {
            installation,
            config,
            store,
        }
    }

    async fn findings(&self, paths: Vec<NetworkPath>, stopped: bool) -> Vec<Finding> {
        self.tried(ProbeScope::Only(paths, ExtraChecks::default()), stopped)
            .await
    }

    async fn tried(&self, paths: ProbeScope, stopped: bool) -> Vec<Finding> {
        tried(&self.config, paths, stopped).await
    }

    /// The findings with further settings.
    pub async fn tried_with(&self, more: &[(&str, &str)], extra: ExtraChecks) -> Vec<Finding> {
        let env = self.installation.env(&[&NETWORK, more].concat());
        let config = Config::from_env(env).unwrap();
        tried(&config, ProbeScope::Only(Vec::new(), extra), false).await
    }

    async fn is_proven(&self) -> bool {
        let proof = fence_of_leases::load_proof(&self.store, &self.config.proxmox);
        let proof = proof.await.unwrap();
        proof.is_some_and(|proof| proof.nodes.iter().map(|node| node.as_str()).eq(["pve"]))
    }

    /// Whether containers were made, and all of them removed.
    pub fn made_and_left(&self) -> (usize, usize) {
        let sim = &self.installation.sim;
        let made = sim.request_count("POST", "/nodes/pve/lxc");
        (made, sim.containers().len())
    }
}

async fn tried(config: &Config, paths: ProbeScope, stopped: bool) -> Vec<Finding> {
    let proxmox = Proxmox::new(config.proxmox.clone(), None, &Shares::default()).unwrap();
    let stopped = AtomicBool::new(stopped);
    probe::run(config, &proxmox, &SystemClock, paths, &stopped).await
}

/// The findings about a claim of another container's address.
async fn claimed(probed: &Probed) -> Finding {
    let claim = AddressClaim {
        host: "example.com".into(),
        port: 443,
        settles: Duration::ZERO,
    };
    let extra = ExtraChecks {
        claim: Some(claim),
        ..ExtraChecks::default()
    };
    let findings = probed
        .tried(ProbeScope::Only(Vec::new(), extra), false)
        .await;
    let of_claim = |finding: &&Finding| finding.expected.contains("another's address");
    let mut said = findings.iter().filter(of_claim);
    let one = said.next().unwrap_or_else(|| panic!("{findings:#?}"));
    assert!(said.next().is_none(), "{findings:#?}");
    assert_eq!(probed.made_and_left().1, 0);
    one.clone()
}

/// A host whose containers have a simulated network with its firewall. Only the toy shell has one:
/// the programs of a real shell would use the network of this machine.
async fn with_network() -> Probed {
    Probed::with(SimConfig {
        shell: ShellMode::Toy,
        toy_network: true,
        ..quick()
    })
    .await
}

#[tokio::test]
async fn a_neighbours_address_is_claimed_and_what_the_host_does_is_said() {
    let probed = with_network().await;
    let closed = claimed(&probed).await;
    assert_eq!(closed.severity, Severity::Ok, "{closed:#?}");
    // The firewall is switched off at one level after the other: each lets the claim out, and is
    // named.
    let sim = &probed.installation.sim;
    for (switch, mend) in [
        (
            (|sim: &pve_sim::Sim, on| sim.set_firewall(on)) as fn(&pve_sim::Sim, bool),
            "datacenter's firewall",
        ),
        (
            |sim, on| sim.set_node_firewall("pve", on),
            "node's firewall",
        ),
        (
            |sim, on| sim.set_firewall_running("pve", on),
            "firewall service",
        ),
    ] {
        switch(sim, false);
        let open = claimed(&probed).await;
        assert_eq!(open.severity, Severity::Warning, "{open:#?}");
        assert!(open.found.starts_with("they do"), "{open:#?}");
        assert!(open.mend[0].contains(mend), "{open:#?}");
        // The fence stays proven, because the bridge's own table is checked separately.
        assert!(probed.is_proven().await);
        switch(sim, true);
    }
    assert_eq!(claimed(&probed).await.severity, Severity::Ok);
}

#[tokio::test]
async fn a_claim_that_cannot_be_tried_is_never_called_closed() {
    // The toy shell lacks the programs, as small templates do.
    let probed = Probed::on(ShellMode::Toy).await;
    let finding = claimed(&probed).await;
    assert_eq!(finding.severity, Severity::Warning, "{finding:#?}");
    assert!(
        finding.found.starts_with("not tried: the template lacks"),
        "{finding:#?}"
    );
}

#[tokio::test]
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
async fn processes_without_a_bound_are_a_warning_with_the_line_that_bounds_them() {
    let shell = host_shell("bash");
    let probed = Probed::on(shell).await;
    let extra = ExtraChecks {
        processes: Some(30),
        ..ExtraChecks::default()
    };
    let findings = probed
        .tried(ProbeScope::Only(Vec::new(), extra), false)
        .await;
    let finding = findings
        .iter()
        .find(|finding| finding.expected.contains("processes"))
        .unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(finding.severity, Severity::Warning, "{finding:#?}");
    assert!(
        finding.found.contains("it started 30") || finding.found.starts_with("unknown: "),
        "{finding:#?}"
    );
    assert!(
        finding.mend[0].contains(
            "'lxc.cgroup2.pids.max = 4096' > /usr/share/lxc/config/common.conf.d/90-infra402.conf"
        ),
        "{finding:#?}"
    );
    assert!(probed.is_proven().await);
}

/// The service sells during a probe, and after a probe that was killed.
#[tokio::test]
async fn addresses_of_a_probe_are_its_own_until_it_ends() {
    let probed = Probed::on(plain_shell()).await;
    let pool = probed.config.proxmox.address_pool().unwrap();
    let held = probed.store.claim_probe_addresses("other", pool, 3, 1);
    held.await.unwrap();
    // That probe was killed long ago; its addresses are passed over.
    let findings = probed.findings(Vec::new(), false).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    let now = SystemClock.unix_seconds();
    let pool = probed.config.proxmox.address_pool().unwrap();
    let now = i64::try_from(now).unwrap();
    let held = probed.store.claim_probe_addresses("other", pool, 3, now);
    assert!(
        matches!(held.await.unwrap(), ProbeClaim::Claimed(addresses) if addresses.len() == 3),
        "they were given back"
    );
    let findings = probed.findings(Vec::new(), false).await;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        findings[0].found.contains("another probe began"),
        "{findings:#?}"
    );
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[tokio::test]
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
async fn a_fence_that_holds_is_proven_and_nothing_is_left() {
    let shell = host_shell("bash");
    let probed = Probed::on(shell).await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Silent::new();
    let paths = vec![
        NetworkPath::closed("the host", "127.0.0.1", silent.port),
        NetworkPath::open("a server", "127.0.0.1", port(&server)),
    ];
    let findings = probed.findings(paths, false).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(probed.is_proven().await);
    let (made, left) = probed.made_and_left();
    assert!(made >= 2 && left == 0, "{made} made, {left} left");
}

#[tokio::test]
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
async fn a_way_that_is_open_or_refused_disproves_what_was_proven_before() {
    let shell = host_shell("bash");
    let probed = Probed::on(shell).await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Silent::new();
    let refusing = port(&TcpListener::bind("127.0.0.1:0").unwrap());
    for path in [
        NetworkPath::closed("the host", "127.0.0.1", port(&server)),
        NetworkPath::closed("a host that refuses", "127.0.0.1", refusing),
        NetworkPath::open("the internet", "127.0.0.1", silent.port),
    ] {
        let holds = vec![NetworkPath::open("a server", "127.0.0.1", port(&server))];
        probed.findings(holds, false).await;
        assert!(probed.is_proven().await);
        let findings = probed.findings(vec![path.clone()], false).await;
        assert_eq!(
            report::worst(&findings),
            Severity::Error,
            "{path:?}: {findings:#?}"
        );
        assert!(!probed.is_proven().await, "{path:?}");
        assert_eq!(probed.made_and_left().1, 0);
    }
}

#[tokio::test]
async fn a_probe_that_cannot_try_proves_nothing_and_leaves_nothing() {
    // The toy shell has neither bash nor timeout, as small templates have not.
    let probed = Probed::on(ShellMode::Toy).await;
    let paths = vec![NetworkPath::closed("the host", "127.0.0.1", 8006)];
    let findings = probed.findings(paths, false).await;
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
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
async fn another_containers_number_is_left_alone() {
    let shell = host_shell("bash");
    let probed = Probed::on(shell).await;
    let sim = &probed.installation.sim;
    // The number that the probe requests first.
    sim.put_foreign_container(49_999, "somebody");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let paths = vec![NetworkPath::open("a server", "127.0.0.1", port(&server))];
    let findings = probed.findings(paths, false).await;
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
    let probed = Probed::on(plain_shell()).await;
    let config = Config::from_env(probed.installation.env(&[])).unwrap();
    let proxmox = Proxmox::new(config.proxmox.clone(), None, &Shares::default()).unwrap();
    let stopped = AtomicBool::new(false);
    let findings = probe::run(
        &config,
        &proxmox,
        &SystemClock,
        ProbeScope::AllPaths,
        &stopped,
    )
    .await;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].found, "PVE_NETWORK is not set");
    assert_eq!(probed.made_and_left(), (0, 0));
    assert_eq!(probed.store.installation_value(PROVEN).await.unwrap(), None);
}
