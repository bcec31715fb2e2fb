//! Changes to whole containers: moves, copies, restores, changes of pool, and the boot of a node.
//! The API's methods and [`crate::admin`] both use them, so that a client sees the same result of
//! either.

use std::collections::BTreeMap;

use serde_json::json;

use super::World;
use super::backup::Backup;
use super::container::{Address, Container, random_mac};
use super::meter::Meter;
use crate::schema::property;

impl World {
    /// The configuration moves to another node. A container that runs is stopped and started there.
    pub(crate) fn migrate(&mut self, vmid: u32, to_node: &str, now: f64) {
        let pid = self.tasks.pid();
        if let Some(container) = self.containers.get_mut(&vmid) {
            to_node.clone_into(&mut container.node);
            if container.running() {
                container.start(now, pid);
            }
        }
    }

    /// A copy under another number: every key is copied, each network gets a new MAC address, and
    /// the copy is stopped and no template.
    pub(crate) fn copy_of(&self, vmid: u32, new_vmid: u32, now: f64) -> Option<Container> {
        let source = self.containers.get(&vmid)?;
        let mut copy = restored(source, new_vmid, now);
        copy.config.remove("template");
        for (name, value) in &mut copy.config {
            let index = name.strip_prefix("net").map(str::parse::<u32>);
            if let (Some(Ok(_)), Some(text)) = (index, value.as_str()) {
                *value = json!(property::replace(text, "hwaddr", &random_mac()));
            }
        }
        copy.address = Address::ByConfig;
        Some(copy)
    }

    /// Restores a container from a backup, stopped. A container that has the number is overwritten
    /// and keeps its pool, unless another is given.
    pub(crate) fn restore(&mut self, backup: &Backup, vmid: u32, pool: Option<&str>, now: f64) {
        let container = restored(&backup.container, vmid, now);
        if let Some(before) = self.containers.insert(vmid, container) {
            self.keep_history(vmid, before.meter.history);
        }
        // A backup without a firewall's file leaves the present file.
        if let Some(file) = &backup.firewall {
            self.firewall.guests.insert(vmid, file.clone());
        }
        if pool.is_some() {
            self.set_pool(vmid, pool);
        }
    }

    /// Moves a container into a pool, which is created if it does not exist, or out of all pools.
    pub(crate) fn set_pool(&mut self, vmid: u32, pool: Option<&str>) {
        self.access.pool_of_guest.remove(&vmid);
        if let Some(pool) = pool {
            self.access.pools.insert(pool.to_owned());
            self.access.pool_of_guest.insert(vmid, pool.to_owned());
        }
    }

    /// Gives a container another number, as renaming its configuration file does: pools and rights
    /// still have the old number, and so does its firewall's file.
    pub(crate) fn renumber(&mut self, vmid: u32, new_vmid: u32, now: f64) {
        if let Some(mut container) = self.containers.remove(&vmid) {
            container.vmid = new_vmid;
            container.meter.history.close(now);
            let history = std::mem::take(&mut container.meter.history);
            self.keep_history(vmid, history);
            self.containers.insert(new_vmid, container);
        }
        if self.foreign.remove(&vmid) {
            self.foreign.insert(new_vmid);
        }
    }

    /// Turns a stopped container into a template; its volume becomes a base volume.
    pub(crate) fn make_template(&mut self, vmid: u32) {
        if let Some(container) = self.containers.get_mut(&vmid) {
            container.config.insert("template".into(), json!(1));
            if let Some(rootfs) = container.text("rootfs") {
                let base = rootfs.replace(&format!("vm-{vmid}-"), &format!("base-{vmid}-"));
                container.config.insert("rootfs".into(), json!(base));
            }
        }
    }

    /// Shuts a node down: its workers end without a status, and its containers stop. Returns the
    /// containers that were running.
    pub(crate) fn power_off(&mut self, name: &str, now: f64) -> Vec<u32> {
        self.set_online(name, false);
        self.tasks.vanish(name, now as u64);
        let mut were_running = Vec::new();
        for container in self.containers.values_mut().filter(|one| one.node == name) {
            if container.running() {
                were_running.push(container.vmid);
                container.stop(now);
            }
        }
        were_running
    }

    /// Boots a node: containers with `onboot`, and those that high availability wants to run,
    /// are started.
    pub(crate) fn power_on(&mut self, name: &str, now: f64) {
        self.set_online(name, true);
        for node in self.nodes.iter_mut().filter(|node| node.name == name) {
            node.booted = now;
        }
        for container in self.containers.values_mut().filter(|one| one.node == name) {
            // `startall` begins with this, because no backup outlives its node.
            if container.lock() == Some("backup") {
                container.set_lock(None);
            }
            let wanted = match self.ha.get(&container.vmid) {
                Some(resource) => resource.wants_start(),
                None => container.flag("onboot"),
            };
            if wanted && container.lock().is_none() && !container.flag("template") {
                container.start(now, self.tasks.pid());
            }
        }
    }

    pub(crate) fn set_online(&mut self, name: &str, online: bool) {
        for node in self.nodes.iter_mut().filter(|node| node.name == name) {
            node.online = online;
            node.rounds += 1;
        }
    }

    /// How often a node was set on line or off line; a flapping node stops when that changes.
    pub(crate) fn rounds(&self, name: &str) -> u32 {
        self.node(name).map_or(0, |node| node.rounds)
    }

    /// Takes a node off line if it is on line, and on line if it is not.
    pub(crate) fn flip(&mut self, name: &str) {
        for node in self.nodes.iter_mut().filter(|node| node.name == name) {
            node.online = !node.online;
        }
    }
}

/// A container as a restore makes it: stopped, without a lock, on a volume of its own number.
fn restored(source: &Container, vmid: u32, now: f64) -> Container {
    let mut container = Container {
        vmid,
        running_since: None,
        created: now,
        changed: now,
        pid: 0,
        snapshots: BTreeMap::new(),
        meter: Meter::default(),
        ..source.clone()
    };
    container.set_lock(None);
    if let Some(rootfs) = container.text("rootfs") {
        let old = source.vmid;
        let volume = rootfs
            .replace(&format!("base-{old}-"), &format!("vm-{vmid}-"))
            .replace(&format!("vm-{old}-"), &format!("vm-{vmid}-"))
            .replace(&format!(":{old}/"), &format!(":{vmid}/"));
        container.config.insert("rootfs".into(), json!(volume));
    }
    container
}
