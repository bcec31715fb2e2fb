//! What an administrator does to the host itself while the simulator runs: storages that go away,
//! templates that come and go, accounts with a second factor, pools; and what a customer's programs
//! do to a container's interfaces.

use crate::refusal::Refusal;
use crate::sim::Sim;
use crate::world::{MoreInterface, Storage, Template, World, has};

/// Files in Proxmox's index of templates, as it was at the end of 2025.
pub(crate) fn index() -> Vec<String> {
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

impl Storage {
    /// Switched on, and meant for this node.
    pub(crate) fn is_enabled_on(&self, node: &str) -> bool {
        self.enabled && has(&self.nodes, node)
    }

    /// Proxmox's refusal where something is to be read from it or put onto it and that cannot be.
    pub(crate) fn usable(&self, node: &str) -> Result<(), Refusal> {
        let name = &self.name;
        if !self.enabled {
            return Err(Refusal::died(format!("storage '{name}' is disabled")));
        }
        if !has(&self.nodes, node) {
            let text = format!("storage '{name}' is not available on node '{node}'");
            return Err(Refusal::died(text));
        }
        if !self.active {
            return Err(Refusal::died(format!("storage '{name}' is not online")));
        }
        Ok(())
    }
}

impl World {
    /// The size of a template as a node sees it, `None` where it is not there.
    pub(crate) fn template_size(&self, volid: &str, node: &str) -> Result<Option<u64>, Refusal> {
        let name = volid.split(':').next().unwrap_or_default();
        let storage = self.storage(name);
        if let Some(storage) = storage {
            storage.usable(node)?;
        }
        let shared = storage.is_some_and(|storage| storage.shared);
        let template = self.templates.get(volid);
        let there = template.filter(|template| shared || has(&template.nodes, node));
        Ok(there.map(|template| template.size))
    }
}

impl Sim {
    /// Makes a storage unreachable, as a file server that is away does, or brings it back.
    pub fn set_storage_active(&self, name: &str, active: bool) {
        self.change_storage(name, |storage| storage.active = active);
    }

    /// Switches a storage off or on in its configuration.
    pub fn set_storage_enabled(&self, name: &str, enabled: bool) {
        self.change_storage(name, |storage| storage.enabled = enabled);
    }

    /// Restricts a storage to these nodes; none named means all.
    pub fn set_storage_nodes(&self, name: &str, nodes: &[&str]) {
        let nodes: Vec<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        self.change_storage(name, |storage| storage.nodes = nodes);
    }

    /// Makes the list of a storage's content fail though the storage is active, or ends that.
    pub fn set_storage_failing(&self, name: &str, fails: bool) {
        self.change_storage(name, |storage| storage.fails = fails);
    }

    /// Sets how much of a storage is taken by other things than simulated containers, as a thin pool
    /// that fills up.
    pub fn set_storage_used(&self, name: &str, bytes: u64) {
        self.change_storage(name, |storage| storage.used_otherwise = bytes);
    }

    fn change_storage(&self, name: &str, change: impl FnOnce(&mut Storage)) {
        let mut world = self.cluster.world();
        if let Some(storage) = world.storages.iter_mut().find(|one| one.name == name) {
            change(storage);
        }
    }

    /// Puts a template onto the storage of these nodes; none named means all.
    pub fn add_template(&self, volid: &str, nodes: &[&str]) {
        let template = Template {
            size: 126_515_062,
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        };
        let mut world = self.cluster.world();
        world.templates.insert(volid.to_owned(), template);
    }

    /// Removes a template from every node.
    pub fn remove_template(&self, volid: &str) {
        self.cluster.world().templates.remove(volid);
    }

    /// Makes a user give a second factor after the password.
    pub fn require_second_factor(&self, user: &str) {
        let mut world = self.cluster.world();
        if let Some(user) = world.access.users.get_mut(user) {
            user.second_factor = true;
        }
    }

    /// Takes one role on a path from a user or token.
    pub fn revoke_role(&self, path: &str, from: &str, role: &str) {
        self.cluster.world().access.revoke_role(path, from, role);
    }

    /// Makes a pool.
    ///
    /// # Errors
    /// Proxmox's text: the pool is there, or its parent is not.
    pub fn add_pool(&self, pool: &str) -> Result<(), String> {
        let mut world = self.cluster.world();
        let pools = &mut world.access.pools;
        if pools.contains(pool) {
            return Err(format!("create pool failed: pool '{pool}' already exists"));
        }
        if let Some((parent, _)) = pool.rsplit_once('/')
            && !pools.contains(parent)
        {
            return Err(format!(
                "create pool failed: parent '{parent}' of pool '{pool}' does not exist"
            ));
        }
        pools.insert(pool.to_owned());
        Ok(())
    }

    /// Gives a container an interface beside `eth0`, as a program in it does; the address with its
    /// prefix.
    pub fn add_interface(&self, vmid: u32, name: &str, mac: &str, address: &str) {
        let interface = MoreInterface {
            name: name.to_owned(),
            mac: mac.to_owned(),
            address: address.to_owned(),
        };
        let mut world = self.cluster.world();
        world
            .more_interfaces
            .entry(vmid)
            .or_default()
            .push(interface);
    }
}
