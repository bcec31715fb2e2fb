//! The Proxmox host, the service's accounts on it, and where containers are created.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use pve::{ClientConfig, Fingerprint, NodeName, Vmid};
use service::env::{Env, Secret, schema::Variable};

use super::{NetworkConfig, variables};
use crate::store::AddressPool;

/// The Proxmox host and what the service uses of it.
#[derive(Clone, Debug)]
pub struct ProxmoxConfig {
    /// Address of the API: `PVE_HOST`.
    pub host: String,
    /// The API token's id: `PVE_TOKEN_ID`, such as `infra402@pve!svc`.
    pub token_id: String,
    /// The API token's secret: `PVE_TOKEN_SECRET`.
    pub token_secret: Secret,
    /// How the host's certificate is verified: `PVE_FINGERPRINT`, `PVE_CA_FILE` or
    /// `PVE_VERIFY_SSL`.
    pub tls: TlsTrust,
    /// The nodes that take containers; empty means every node that is online: `PVE_NODE`.
    pub nodes: Vec<NodeName>,
    /// The storage for root disks: `PVE_STORAGE`.
    pub storage: String,
    /// The templates on offer as volume ids, the default first; empty offers all that the nodes
    /// have: `PVE_OS_TEMPLATE`.
    pub templates: Vec<String>,
    /// The bridge that containers are attached to; none for containers without a network:
    /// `PVE_BRIDGE`.
    pub bridge: Option<String>,
    /// The network behind the bridge.
    pub network: NetworkConfig,
    /// The pool of the service's containers, which has no other members: `PVE_POOL`.
    pub pool: String,
    /// The VMIDs of the service's containers: `PVE_VMID_RANGE`.
    pub vmids: RangeInclusive<u32>,
    /// Creations that run on one node at a time: `PVE_CREATES_PER_NODE`.
    pub creates_per_node: usize,
    /// Ends of leases that are under way on one node at a time: `PVE_ENDS_PER_NODE`.
    pub ends_per_node: usize,
    /// A user with a password, for consoles on hosts that accept no token for them.
    pub console: Option<ConsoleAccount>,
}

/// How the host's certificate is verified.
#[derive(Clone, Debug)]
pub enum TlsTrust {
    /// The authorities that the system trusts.
    System,
    /// The authority in this file.
    CaFile(PathBuf),
    /// The one certificate with this SHA-256 fingerprint.
    Fingerprint(Fingerprint),
    /// Every certificate is accepted: for experiments.
    Insecure,
}

/// A user with a password.
#[derive(Clone, Debug)]
pub struct ConsoleAccount {
    /// Such as `infra402-console@pve`.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// It is the prototype's `root@pam`, which should be replaced.
    pub is_root: bool,
}

impl ProxmoxConfig {
    /// Reads everything about Proxmox; `None` only after a problem was recorded.
    pub(super) fn read(env: &mut Env) -> Option<Self> {
        let host = host(env);
        let token_id = token_id(env);
        let token_secret = env.need_secret(&variables::PVE_TOKEN_SECRET);
        let rest = Self::with_account(env, String::new(), String::new(), Secret::new(""));
        Some(Self {
            host: host?,
            token_id: token_id?,
            token_secret: token_secret?,
            ..rest
        })
    }

    /// The configuration before there is an account or a host: enough to print the commands that
    /// make an account.
    pub fn outline(env: Env) -> Self {
        let mut env = env.for_schema(&variables::SCHEMA);
        let text = |variable: &Variable| {
            let text = env.find_text(variable);
            text.unwrap_or_else(|| variable.example.to_owned())
        };
        let (host, token_id) = (text(&variables::PVE_HOST), text(&variables::PVE_TOKEN_ID));
        Self::with_account(&mut env, tidy(&host).to_owned(), token_id, Secret::new(""))
    }

    /// The addresses that containers may get; `None` where the service gives them none.
    pub fn address_pool(&self) -> Option<AddressPool> {
        self.bridge.as_ref()?;
        self.network.address_pool()
    }

    fn with_account(env: &mut Env, host: String, token_id: String, token_secret: Secret) -> Self {
        let tls = tls(env);
        let nodes = nodes(env);
        let storage = env.read_text(&variables::PVE_STORAGE);
        let templates = templates(env);
        let bridge = Some(env.read_text(&variables::PVE_BRIDGE)).filter(|bridge| bridge != "none");
        let network = NetworkConfig::read(env);
        let pool = env.read_text(&variables::PVE_POOL);
        let vmids = vmids(env);
        let creates_per_node = env.read_in(&variables::PVE_CREATES_PER_NODE, 1..=64);
        let ends_per_node = env.read_in(&variables::PVE_ENDS_PER_NODE, 2..=256);
        let console = console(env);
        Self {
            host,
            token_id,
            token_secret,
            tls,
            nodes,
            storage,
            templates,
            bridge,
            network,
            pool,
            vmids,
            creates_per_node,
            ends_per_node,
            console,
        }
    }
}

fn host(env: &mut Env) -> Option<String> {
    let host = env.need_text(&variables::PVE_HOST)?;
    let lower = host.to_ascii_lowercase();
    if !lower.starts_with("https://") && !lower.starts_with("http://") {
        // The value may hold credentials and is not repeated.
        env.reject(&variables::PVE_HOST, "lacks its scheme https://");
        return None;
    }
    Some(tidy(&host).to_owned())
}

/// The host's address without the path of the web interface or the API, because printed commands
/// and settings contain it.
fn tidy(host: &str) -> &str {
    Some(ClientConfig::tidy_base_url(host))
        .filter(|tidy| tidy.contains("://"))
        .unwrap_or(host)
}

fn token_id(env: &mut Env) -> Option<String> {
    let id = env.need_text(&variables::PVE_TOKEN_ID)?;
    let parts = id
        .split_once('!')
        .and_then(|(user, name)| Some((user.split_once('@')?, name)));
    let fits = parts.is_some_and(|((user, realm), name)| {
        !user.is_empty() && !realm.is_empty() && !name.is_empty()
    });
    if !fits || id.len() > 64 {
        let what = "is not of the form user@realm!name, with at most 64 characters";
        env.reject(&variables::PVE_TOKEN_ID, what);
    }
    Some(id)
}

fn tls(env: &mut Env) -> TlsTrust {
    let fingerprint: Option<Fingerprint> = env.find(&variables::PVE_FINGERPRINT);
    let ca_file = env.find_text(&variables::PVE_CA_FILE);
    let verify = env.read_flag(&variables::PVE_VERIFY_SSL);
    match (fingerprint, ca_file, verify) {
        (Some(fingerprint), _, _) => TlsTrust::Fingerprint(fingerprint),
        (None, Some(file), _) => TlsTrust::CaFile(file.into()),
        (None, None, true) => TlsTrust::System,
        (None, None, false) => TlsTrust::Insecure,
    }
}

fn nodes(env: &mut Env) -> Vec<NodeName> {
    let names = env.read_list(&variables::PVE_NODE);
    if names.len() == 1 && names[0].eq_ignore_ascii_case("auto") {
        return Vec::new();
    }
    let mut nodes = Vec::new();
    for name in names {
        match NodeName::new(name) {
            Ok(node) => nodes.push(node),
            Err(_) => {
                let what = "names a node as no Proxmox node can be named; it is not an address";
                env.reject(&variables::PVE_NODE, what);
            }
        }
    }
    nodes
}

fn templates(env: &mut Env) -> Vec<String> {
    let list = env.read_list(&variables::PVE_OS_TEMPLATE);
    if list.len() == 1 && list[0].eq_ignore_ascii_case("auto") {
        return Vec::new();
    }
    if list.iter().any(|volume| !volume.contains(":vztmpl/")) {
        let what = "has an entry that is no template volume (STORAGE:vztmpl/FILE)";
        env.reject(&variables::PVE_OS_TEMPLATE, what);
    }
    list
}

fn vmids(env: &mut Env) -> RangeInclusive<u32> {
    let text = env.read_text(&variables::PVE_VMID_RANGE);
    let range = text.split_once('-').and_then(|(low, high)| {
        let (low, high): (u32, u32) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (Vmid::MIN <= low && low <= high && high <= Vmid::MAX).then_some(low..=high)
    });
    range.unwrap_or_else(|| {
        let what = "is no range of VMIDs from 100 to 999999999";
        env.reject(&variables::PVE_VMID_RANGE, what);
        40_200..=49_999
    })
}

/// The account for consoles. The prototype's variable `PVE_ROOT_PASSWORD` still works; doctor warns
/// of it.
fn console(env: &mut Env) -> Option<ConsoleAccount> {
    let user = env.find_text(&variables::PVE_CONSOLE_USER);
    let password = env.find_secret(&variables::PVE_CONSOLE_PASSWORD);
    let root = env.find_secret(&variables::PVE_ROOT_PASSWORD);
    match (user, password, root) {
        (Some(user), Some(password), _) => Some(ConsoleAccount {
            is_root: user == "root@pam",
            user,
            password,
        }),
        (Some(_), None, _) => {
            let what = "is not set, but PVE_CONSOLE_USER is";
            env.reject(&variables::PVE_CONSOLE_PASSWORD, what);
            None
        }
        (None, Some(_), _) => {
            let what = "is not set, but PVE_CONSOLE_PASSWORD is";
            env.reject(&variables::PVE_CONSOLE_USER, what);
            None
        }
        (None, None, Some(password)) => Some(ConsoleAccount {
            user: "root@pam".into(),
            password,
            is_root: true,
        }),
        (None, None, None) => None,
    }
}
