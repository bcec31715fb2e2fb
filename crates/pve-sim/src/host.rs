//! What an administrator does to the host itself while the simulator runs: storages that go away,
//! templates that come and go, accounts with a second factor, pools; and what a customer's programs
//! do to a container's interfaces.

use crate::sim::Sim;
use crate::world::{MoreInterface, Storage, Template};

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
