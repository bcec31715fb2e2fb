//! What a simulated cluster looks like when it starts: nodes, storages, templates, pool, bridge,
//! accounts and timing. The defaults describe the small installation that the project's
//! documentation sets up; a test overrides what it cares about. Goes to
//! [`Sim::start`](crate::Sim::start).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const GIB: u64 = 1 << 30;

/// Everything that a simulated Proxmox VE can be told before it starts.
#[derive(Clone)]
pub struct SimConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve HTTPS with a certificate of a CA made at start (the default), or plain HTTP.
    pub tls: bool,
    /// Show a certificate that ran out.
    pub certificate_expired: bool,
    /// Names of the cluster's nodes; the first one is the node that answers.
    pub nodes: Vec<String>,
    /// Factor on every realistic duration: 1.0 behaves like a real node (a create takes some
    /// seconds), tests use 0.001.
    pub time_scale: f64,
    /// Realistic delay before a 401 is answered (times `time_scale`).
    pub auth_failure_delay: Duration,
    /// Realistic delay between a container's start and its IPv4 address (times `time_scale`).
    pub address_delay: Duration,
    /// How far `/cluster/resources` and `/pools` lag behind with status and name (times
    /// `time_scale`).
    pub resource_lag: Duration,
    /// The pool that the service's account may use.
    pub pool: String,
    /// The bridge that the service's account may attach containers to.
    pub bridge: String,
    /// Storages of every node.
    pub storages: Vec<StorageConfig>,
    /// Container templates that exist.
    pub templates: Vec<TemplateConfig>,
    /// Files in the index of templates that can be downloaded, as `pveam available` lists them.
    pub appliances: Vec<String>,
    /// Virtual networks of the cluster's SDN; `bridge` may name one.
    pub vnets: Vec<VnetConfig>,
    /// Size of each node.
    pub node: NodeCapacity,
    /// Secret of the service's API token; `None` makes a random one.
    pub token_secret: Option<String>,
    /// Whether the service's token has privilege separation, that is, needs access rules of its
    /// own.
    pub token_privsep: bool,
    /// Password of the console account; `None` makes a random one.
    pub console_password: Option<String>,
    /// Password of `root@pam`; `None` makes a random one.
    pub root_password: Option<String>,
    /// Where containers, certificates and credentials are kept between two runs.
    pub state_file: Option<PathBuf>,
    /// The shell in a container's terminal.
    pub shell: ShellMode,
    /// Whether the toy shell has `ip`, `timeout` and the connections of `bash`, behind the
    /// simulated firewall.
    pub toy_network: bool,
    /// Defects of a real terminal proxy that this one has too.
    pub terminal_defects: TerminalDefects,
    /// Where the root file systems of confined shells are kept; `None` keeps them in a temporary
    /// folder that goes with the simulator.
    pub rootfs_dir: Option<PathBuf>,
    /// The root folder of a distribution that each real container ([`ShellMode::Lxc`]) gets a copy
    /// of; `None` gives it the host's programs, read-only.
    pub lxc_distribution: Option<PathBuf>,
    /// How long a terminal proxy waits for its connection, and then for the ticket (real time, not
    /// scaled).
    pub terminal_window: Duration,
    /// Where the proxy listens that leads to the containers (SOCKS 5); port 0 takes a free one.
    pub guest_proxy: SocketAddr,
    /// The program `pve-sim`, which runs in containers as their SSH server; `None` is this program
    /// itself, or the one that was built beside it.
    pub guest_program: Option<PathBuf>,
    /// Try bubblewrap before plain namespaces to confine shells.
    pub prefer_bubblewrap: bool,
    /// Whether consoles accept API tokens, as they do from pve-container 6.1.3 on; before, only
    /// users with a password got one.
    pub console_tokens: bool,
    /// Seed of everything that looks random but is no secret (addresses, process ids, fault dice).
    pub seed: u64,
}

/// The shell in a container's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellMode {
    /// A real shell, confined by plain namespaces or bubblewrap with a root file system of its own.
    /// Where the host forbids both, as in an unprivileged Docker container, the toy.
    Confined,
    /// An imitation of a shell, which runs no program and touches no file of the host. It is for
    /// hosts that cannot confine a shell, and for tests of a container without certain programs.
    Toy,
    /// This shell of the host (`bash`, `dash`, `busybox`), unconfined, as an ordinary user where
    /// the simulator is root. `poweroff` in it stops the container. Only for tests that type
    /// nothing harmful.
    HostForTests(PathBuf),
    /// The root shell of a real unprivileged LXC container, attached to through a real dtach as
    /// Proxmox does it. It needs root, LXC, dtach and `ip`. Its programs are the host's, read-only,
    /// and so is its SSH server, if the template has one. Only for tests.
    Lxc,
}

/// Defects of termproxy and of the dtach behind it, in their worst form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalDefects {
    /// The last output before a shell's end is dropped, and so is dtach's message about the end.
    pub loses_tail: bool,
    /// A message whose header lies across a multiple of 4,096 bytes of the stream, and all after
    /// it, are not understood.
    pub splits_headers: bool,
    /// A message of more than 4 KiB that the shell echoes blocks the terminal.
    pub waits_for_echo: bool,
}

impl TerminalDefects {
    /// A terminal proxy without a fault.
    pub const NONE: Self = Self {
        loses_tail: false,
        splits_headers: false,
        waits_for_echo: false,
    };
    /// The first alone.
    pub const LOST_TAIL: Self = Self {
        loses_tail: true,
        ..Self::NONE
    };
    /// The second alone.
    pub const SPLIT_HEADERS: Self = Self {
        splits_headers: true,
        ..Self::NONE
    };
    /// The third alone.
    pub const ECHO: Self = Self {
        waits_for_echo: true,
        ..Self::NONE
    };
    /// All of them together.
    pub const ALL: Self = Self {
        loses_tail: true,
        splits_headers: true,
        waits_for_echo: true,
    };
}

/// One storage.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// Storage id, such as `local-lvm`.
    pub name: String,
    /// Plugin type, such as `dir` or `lvmthin`.
    pub kind: String,
    /// Content types, such as `rootdir` or `vztmpl`.
    pub content: Vec<String>,
    /// Size in bytes.
    pub capacity_bytes: u64,
    /// Bytes used by anything but simulated containers.
    pub used_bytes: u64,
    /// Not switched off.
    pub enabled: bool,
    /// Can be reached, as opposed to a file server that is away.
    pub active: bool,
    /// All nodes see the same.
    pub shared: bool,
    /// The nodes that have it; none named means all.
    pub nodes: Vec<String>,
    /// Reports itself as active, but what is on it cannot be listed.
    pub fails: bool,
}

impl Default for StorageConfig {
    /// A directory of 100 GiB for templates, on every node.
    fn default() -> Self {
        Self {
            name: "local".into(),
            kind: "dir".into(),
            content: ["backup", "iso", "vztmpl"].map(String::from).into(),
            capacity_bytes: 100 * GIB,
            used_bytes: 9 * GIB,
            enabled: true,
            active: true,
            shared: false,
            nodes: Vec::new(),
            fails: false,
        }
    }
}

/// One virtual network of the SDN.
#[derive(Debug, Clone)]
pub struct VnetConfig {
    /// Its name, which is also that of its bridge on the nodes.
    pub vnet: String,
    /// The zone that it belongs to.
    pub zone: String,
}

/// One container template.
#[derive(Debug, Clone)]
pub struct TemplateConfig {
    /// Volume id, such as `local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst`.
    pub volid: String,
    /// Size of the archive in bytes.
    pub size_bytes: u64,
    /// The nodes on whose storage it is; none named means all.
    pub nodes: Vec<String>,
}

impl TemplateConfig {
    /// A template of an ordinary size on every node.
    #[must_use]
    pub fn new(volid: &str) -> Self {
        Self {
            volid: volid.into(),
            size_bytes: 126_515_062,
            nodes: Vec::new(),
        }
    }
}

/// Size of a node.
#[derive(Debug, Clone)]
pub struct NodeCapacity {
    /// Logical processors.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Root file system in bytes.
    pub rootfs_bytes: u64,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: true,
            certificate_expired: false,
            nodes: vec!["pve".into()],
            time_scale: 1.0,
            auth_failure_delay: Duration::from_secs(3),
            address_delay: Duration::from_secs(3),
            resource_lag: Duration::ZERO,
            pool: "infra402".into(),
            bridge: "vmbr0".into(),
            storages: vec![
                StorageConfig::default(),
                StorageConfig {
                    name: "local-lvm".into(),
                    kind: "lvmthin".into(),
                    content: ["images", "rootdir"].map(String::from).into(),
                    capacity_bytes: 4096 * GIB,
                    used_bytes: 0,
                    ..StorageConfig::default()
                },
            ],
            templates: vec![
                TemplateConfig::new("local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"),
                TemplateConfig {
                    size_bytes: 2_988_076,
                    ..TemplateConfig::new("local:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz")
                },
            ],
            appliances: available_appliances(),
            vnets: Vec::new(),
            node: NodeCapacity {
                cores: 32,
                memory_bytes: 256 * GIB,
                rootfs_bytes: 100 * GIB,
            },
            token_secret: None,
            token_privsep: false,
            console_password: None,
            root_password: None,
            state_file: None,
            shell: ShellMode::Confined,
            toy_network: false,
            terminal_defects: TerminalDefects::NONE,
            rootfs_dir: None,
            lxc_distribution: None,
            terminal_window: Duration::from_secs(10),
            guest_proxy: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            guest_program: None,
            prefer_bubblewrap: false,
            console_tokens: true,
            seed: 402,
        }
    }
}

/// Files in Proxmox's index of templates, as it was at the end of 2025.
fn available_appliances() -> Vec<String> {
    [
        "alpine-3.22-default_20250617_amd64.tar.xz",
        "debian-12-standard_12.12-1_amd64.tar.zst",
        "debian-13-standard_13.1-2_amd64.tar.zst",
        "ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
        "proxmox-mail-gateway-9.0-standard_9.0-1_amd64.tar.zst",
        "debian-12-turnkey-wordpress_18.2-1_amd64.tar.gz",
    ]
    .map(String::from)
    .into()
}
