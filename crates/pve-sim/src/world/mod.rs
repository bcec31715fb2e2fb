//! The state of the simulated cluster: nodes, storages, containers, pools, accounts and tasks. One
//! lock guards all of it ([`crate::cluster::Cluster`]); nothing in here waits or does IO.

mod accounts;
pub(crate) mod backup;
pub(crate) mod container;
pub(crate) mod firewall;
mod foreign;
mod guests;
pub(crate) mod ha;
pub(crate) mod history;
pub(crate) mod meter;
mod storage;
pub(crate) mod task;

use std::collections::{BTreeMap, BTreeSet};

use crate::access::Access;
use crate::config::SimConfig;
use crate::ssh_defects::SshDefects;
use accounts::accounts;
use container::Container;
use firewall::Firewall;
use history::History;
pub(crate) use storage::{Storage, Template, is_on_node};
use task::Tasks;

/// The kernel that runs on every node.
const KERNEL: &str = "7.0.14-11-pve";
/// Id of the service's user.
pub(crate) const SERVICE_USER: &str = "infra402@pve";
/// Name of the service's token.
pub(crate) const SERVICE_TOKEN: &str = "svc";
/// Id of the account that opens consoles with a password.
pub(crate) const CONSOLE_USER: &str = "infra402-console@pve";

/// Everything that a request can read or change.
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) storages: Vec<Storage>,
    pub(crate) templates: BTreeMap<String, Template>,
    /// Interfaces that a customer's programs have added to a container.
    pub(crate) more_interfaces: BTreeMap<u32, Vec<MoreInterface>>,
    /// Addresses, with their prefix, that containers have taken without being given them.
    pub(crate) claimed_addresses: BTreeMap<u32, String>,
    pub(crate) ssh_defects: BTreeMap<u32, SshDefects>,
    pub(crate) containers: BTreeMap<u32, Container>,
    pub(crate) access: Access,
    pub(crate) tasks: Tasks,
    /// The operator's own containers, which were not created through the API.
    pub(crate) foreign: BTreeSet<u32>,
    /// Backups by the id of their volume.
    pub(crate) backups: BTreeMap<String, backup::Backup>,
    /// Containers under high availability.
    pub(crate) ha: BTreeMap<u32, ha::HaResource>,
    /// Containers that `/cluster/resources` leaves out although they exist.
    pub(crate) unlisted: BTreeSet<u32>,
    /// Wrong nodes on which `/cluster/resources` lists a container.
    pub(crate) listed_on: BTreeMap<u32, String>,
    pub(crate) firewall: Firewall,
    /// The history of removed containers, by their number.
    pub(crate) past: BTreeMap<u32, History>,
    /// Pressure figures in percent, by container and kind.
    pub(crate) pressure: BTreeMap<u32, BTreeMap<String, f64>>,
    /// Bridges that are no VNets; every node has them.
    pub(crate) bridges: BTreeMap<String, Bridge>,
    /// The nodes that have a VNet, where it is not on all.
    pub(crate) vnet_nodes: BTreeMap<String, Vec<String>>,
    /// Releases of packages that differ from those of a host that is up to date, by node.
    pub(crate) packages: BTreeMap<String, BTreeMap<String, String>>,
}

/// A plain bridge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bridge {
    /// The host's own address on it, with its prefix.
    pub(crate) own_address: Option<String>,
}

/// A node of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) online: bool,
    /// How often `online` was set.
    pub(crate) rounds: u32,
    /// Seconds since the epoch.
    pub(crate) booted: f64,
    pub(crate) cores: u32,
    pub(crate) memory: u64,
    pub(crate) rootfs: u64,
    /// The release of the kernel that runs.
    pub(crate) kernel: String,
}

/// An interface inside a container beside `eth0`, such as `docker0`.
#[derive(Debug, Clone)]
pub(crate) struct MoreInterface {
    pub(crate) name: String,
    pub(crate) mac: String,
    /// With its prefix.
    pub(crate) address: String,
}

/// Secrets of the accounts that exist from the start.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Secrets {
    pub(crate) token: String,
    pub(crate) console: String,
    pub(crate) root: String,
    /// Key of the tickets, in hex.
    pub(crate) ticket_key: String,
}

impl World {
    pub(crate) fn new(config: &SimConfig, secrets: &Secrets, now: f64) -> Self {
        let node = |name: &String| Node {
            name: name.clone(),
            online: true,
            rounds: 0,
            booted: now - 777_600.0,
            cores: config.node.cores,
            memory: config.node.memory_bytes,
            rootfs: config.node.rootfs_bytes,
            kernel: KERNEL.to_owned(),
        };
        let storage = |storage: &crate::config::StorageConfig| Storage {
            name: storage.name.clone(),
            kind: storage.kind.clone(),
            content: storage.content.clone(),
            capacity: storage.capacity_bytes,
            used_otherwise: storage.used_bytes,
            enabled: storage.enabled,
            active: storage.active,
            shared: storage.shared,
            nodes: storage.nodes.clone(),
            fails: storage.fails,
        };
        let template = |template: &crate::config::TemplateConfig| {
            let nodes = template.nodes.clone();
            let size = template.size_bytes;
            (template.volid.clone(), Template { size, nodes })
        };
        Self {
            nodes: config.nodes.iter().map(node).collect(),
            storages: config.storages.iter().map(storage).collect(),
            templates: config.templates.iter().map(template).collect(),
            more_interfaces: BTreeMap::new(),
            claimed_addresses: BTreeMap::new(),
            ssh_defects: BTreeMap::new(),
            containers: BTreeMap::new(),
            access: accounts(config, secrets),
            tasks: Tasks::new(config.seed),
            foreign: BTreeSet::new(),
            backups: BTreeMap::new(),
            ha: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            listed_on: BTreeMap::new(),
            firewall: Firewall::default(),
            past: BTreeMap::new(),
            pressure: BTreeMap::new(),
            bridges: bridges(config),
            vnet_nodes: BTreeMap::new(),
            packages: BTreeMap::new(),
        }
    }

    /// The node of that name; `localhost` is the one that answers.
    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        if name == "localhost" {
            return self.nodes.first();
        }
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Whether a VNet is on a node.
    pub(crate) fn has_vnet(&self, vnet: &str, node: &str) -> bool {
        self.vnet_nodes
            .get(vnet)
            .is_none_or(|nodes| is_on_node(nodes, node))
    }

    /// The lowest free id from 100 on.
    pub(crate) fn next_free_vmid(&self) -> u32 {
        (100..)
            .find(|vmid| !self.containers.contains_key(vmid))
            .expect("fewer containers than ids")
    }

    pub(crate) fn pool_of(&self, vmid: u32) -> Option<&str> {
        self.access.pool_of_guest.get(&vmid).map(String::as_str)
    }

    /// The history of a number: of this container and of those that had the number before.
    pub(crate) fn history(&self, vmid: u32) -> History {
        let mut history = self.past.get(&vmid).cloned().unwrap_or_default();
        if let Some(container) = self.containers.get(&vmid) {
            history.append(container.meter.history.clone());
        }
        history
    }

    /// What is wrong with a container's SSH server.
    pub(crate) fn ssh_defects(&self, vmid: u32) -> SshDefects {
        self.ssh_defects.get(&vmid).cloned().unwrap_or_default()
    }

    /// Stores the history of a container, which the next container of its number shows too.
    pub(crate) fn keep_history(&mut self, vmid: u32, history: History) {
        self.past.entry(vmid).or_default().append(history);
    }

    /// Removes a container with everything that refers to it, except its history.
    pub(crate) fn forget(&mut self, vmid: u32) {
        if let Some(container) = self.containers.remove(&vmid) {
            self.keep_history(vmid, container.meter.history);
        }
        self.firewall.guests.remove(&vmid);
        self.pressure.remove(&vmid);
        self.foreign.remove(&vmid);
        self.ha.remove(&vmid);
        self.unlisted.remove(&vmid);
        self.listed_on.remove(&vmid);
        self.access.pool_of_guest.remove(&vmid);
        self.more_interfaces.remove(&vmid);
        self.claimed_addresses.remove(&vmid);
        self.ssh_defects.remove(&vmid);
        self.access.forget_path(&format!("/vms/{vmid}"));
    }
}

/// Proxmox's text for a container that does not exist on that node.
pub(crate) fn missing(node: &str, vmid: u32) -> String {
    format!("Configuration file 'nodes/{node}/lxc/{vmid}.conf' does not exist")
}

/// The bridge of the configuration, if it is no VNet. The host has its own address on it, as on the
/// bridge that Proxmox's installer makes.
fn bridges(config: &SimConfig) -> BTreeMap<String, Bridge> {
    let is_vnet = config.vnets.iter().any(|one| one.vnet == config.bridge);
    let bridge = Bridge {
        own_address: Some("192.168.1.10/24".to_owned()),
    };
    let plain = (!is_vnet).then(|| (config.bridge.clone(), bridge));
    plain.into_iter().collect()
}
