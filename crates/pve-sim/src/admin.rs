//! An administrator's actions, for tests: changes to containers and nodes that the service does not
//! make itself. They take effect at once and without a task; Proxmox's API methods do the same with
//! tasks, locks and delays.

use std::time::Duration;

use serde_json::Value;

use crate::sim::Sim;
use crate::world::World;
use crate::world::backup::Backup;
use crate::world::ha::HaResource;

impl Sim {
    /// Moves a container to another node. One that runs is stopped and started there, so that its
    /// uptime begins anew.
    ///
    /// # Panics
    /// There is no such container or node.
    pub fn migrate(&self, vmid: u32, to_node: &str) {
        let now = self.cluster.clock.now();
        self.administer(|world| {
            world.expect_node(to_node);
            world.expect_container(vmid);
            world.migrate(vmid, to_node, now);
        });
        self.cluster.terminals.end(vmid);
    }

    /// Copies a container, with its description and every other key, under another number and with
    /// a new MAC address. The copy is stopped. Files go along if the source is stopped.
    ///
    /// # Panics
    /// There is no such container, or the new number is taken.
    pub fn clone_container(&self, vmid: u32, new_vmid: u32, pool: Option<&str>) {
        let now = self.cluster.clock.now();
        let stopped = self.administer(|world| {
            world.expect_free(new_vmid);
            let copy = world.copy_of(vmid, new_vmid, now);
            let copy = copy.unwrap_or_else(|| panic!("there is no container {vmid}"));
            world.containers.insert(new_vmid, copy);
            world.firewall.copy_guest(vmid, new_vmid);
            world.set_pool(new_vmid, pool);
            !world.containers[&vmid].running()
        });
        if stopped {
            self.cluster.terminals.copy_files(vmid, new_vmid);
        }
    }

    /// Takes a backup of a container's configuration.
    ///
    /// # Panics
    /// There is no such container.
    #[must_use]
    pub fn backup(&self, vmid: u32) -> Backup {
        let world = self.cluster.world();
        let backup = Backup::new(&world, vmid);
        backup.unwrap_or_else(|| panic!("there is no container {vmid}"))
    }

    /// Restores a backup under a number, stopped, on the node that it was taken on. A container
    /// that has the number is overwritten, and stays in its pool if none is given.
    pub fn restore(&self, backup: &Backup, vmid: u32, pool: Option<&str>) {
        let now = self.cluster.clock.now();
        self.administer(|world| world.restore(backup, vmid, pool, now));
        self.cluster.terminals.forget(vmid);
    }

    /// Replaces a container's description ("Notes"); an empty one removes it.
    ///
    /// # Panics
    /// There is no such container.
    pub fn set_description(&self, vmid: u32, text: &str) {
        let value = if text.is_empty() {
            Value::Null
        } else {
            text.trim_end_matches('\n').into()
        };
        self.set_config(vmid, "description", value);
    }

    /// Sets one key of a container's configuration, or removes it with `null`. Nothing is checked.
    ///
    /// # Panics
    /// There is no such container.
    pub fn set_config(&self, vmid: u32, key: &str, value: Value) {
        self.administer(|world| {
            world.expect_container(vmid);
            if let Some(container) = world.containers.get_mut(&vmid) {
                match value {
                    Value::Null => container.config.remove(key),
                    value => container.config.insert(key.to_owned(), value),
                };
            }
        });
    }

    /// Moves a container into another pool, which is made if it does not exist, or out of all.
    ///
    /// # Panics
    /// There is no such container.
    pub fn set_pool(&self, vmid: u32, pool: Option<&str>) {
        self.administer(|world| {
            world.expect_container(vmid);
            world.set_pool(vmid, pool);
        });
    }

    /// Reboots a node: its running tasks end as `unexpected status`, its containers stop, and those
    /// with `onboot=1`, and those that high availability wants to run, are started again.
    ///
    /// # Panics
    /// There is no such node.
    pub fn reboot_node(&self, node: &str) {
        let now = self.cluster.clock.now();
        let were_running = self.administer(|world| {
            world.expect_node(node);
            let were_running = world.power_off(node, now);
            world.power_on(node, now);
            were_running
        });
        for vmid in were_running {
            self.cluster.terminals.end(vmid);
        }
    }

    /// Puts a container under high availability, wanted as it is now, or takes it out.
    ///
    /// # Panics
    /// There is no such container.
    pub fn set_ha(&self, vmid: u32, managed: bool) {
        self.administer(|world| {
            world.expect_container(vmid);
            let resource = HaResource::new(world.containers[&vmid].running());
            match managed {
                true => world.ha.insert(vmid, resource),
                false => world.ha.remove(&vmid),
            };
        });
    }

    /// Sets or removes the protection against removal.
    ///
    /// # Panics
    /// There is no such container.
    pub fn set_protection(&self, vmid: u32, on: bool) {
        let value = if on { 1.into() } else { Value::Null };
        self.set_config(vmid, "protection", value);
    }

    /// Stops a container and makes a template of it.
    ///
    /// # Panics
    /// There is no such container.
    pub fn convert_to_template(&self, vmid: u32) {
        let now = self.cluster.clock.now();
        self.administer(|world| {
            world.expect_container(vmid);
            if let Some(container) = world.containers.get_mut(&vmid) {
                container.stop(now);
            }
            world.make_template(vmid);
        });
        self.cluster.terminals.end(vmid);
    }

    /// Gives a container another number, as renaming its configuration file does: it is in no pool
    /// afterwards, because the pool lists the old number.
    ///
    /// # Panics
    /// There is no such container, or the new number is taken.
    pub fn renumber(&self, vmid: u32, new: u32) {
        let now = self.cluster.clock.now();
        self.administer(|world| {
            world.expect_container(vmid);
            world.expect_free(new);
            world.renumber(vmid, new, now);
        });
        self.cluster.terminals.rename(vmid, new);
    }

    /// Leaves a container out of `/cluster/resources` and of the pool's members although it exists,
    /// as a stale list does.
    pub fn hide_from_resources(&self, vmid: u32, hidden: bool) {
        self.administer(|world| match hidden {
            true => world.unlisted.insert(vmid),
            false => world.unlisted.remove(&vmid),
        });
    }

    /// Lets `/cluster/resources` list a container on another node than the one that has it: one
    /// that does not exist, or none (`""`). `None` lists it where it is.
    pub fn list_on_node(&self, vmid: u32, node: Option<&str>) {
        self.administer(|world| match node {
            Some(node) => world.listed_on.insert(vmid, node.to_owned()),
            None => world.listed_on.remove(&vmid),
        });
    }

    /// Adds lines to a task's log, whether it has ended or not.
    ///
    /// # Panics
    /// There is no such task.
    pub fn add_to_task_log(&self, upid: &str, lines: impl IntoIterator<Item = String>) {
        self.administer(|world| {
            let task = world.tasks.find_mut(upid);
            let task = task.unwrap_or_else(|| panic!("there is no task {upid}"));
            task.log.extend(lines);
        });
    }

    /// Lets a node go off line and come back, each after this time (real time, not scaled), until
    /// [`Sim::set_node_online`] says what it is.
    ///
    /// # Panics
    /// There is no such node.
    pub fn flap_node(&self, node: &str, every: Duration) {
        let round = self.administer(|world| {
            world.expect_node(node);
            world.set_online(node, true);
            world.rounds(node)
        });
        let (cluster, node) = (self.cluster.clone(), node.to_owned());
        self.cluster.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let mut world = cluster.world();
                if world.rounds(&node) != round {
                    return;
                }
                world.flip(&node);
            }
        });
    }

    fn administer<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.cluster.world());
        self.cluster.changed.notify_one();
        result
    }
}

impl World {
    fn expect_container(&self, vmid: u32) {
        assert!(
            self.containers.contains_key(&vmid),
            "there is no container {vmid}"
        );
    }

    fn expect_free(&self, vmid: u32) {
        assert!(
            !self.containers.contains_key(&vmid),
            "container {vmid} exists already"
        );
    }

    fn expect_node(&self, name: &str) {
        assert!(
            self.nodes.iter().any(|node| node.name == name),
            "there is no node {name}"
        );
    }
}
