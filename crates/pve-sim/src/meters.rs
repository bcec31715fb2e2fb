//! Tests set the load and the network of containers and nodes: traffic, pressure, bridges, and the
//! releases of packages.

use crate::sim::Sim;
use crate::world::Bridge;

impl Sim {
    /// Lets a container receive and send that many bytes now, beside what every container does.
    /// Returns whether they passed: none do while it is stopped or its link is down.
    ///
    /// # Panics
    /// There is no such container.
    pub fn add_traffic(&self, vmid: u32, netin: u64, netout: u64) -> bool {
        let now = self.cluster.clock.now();
        let passed = {
            let mut world = self.cluster.world();
            let container = world.containers.get_mut(&vmid);
            let container = container.unwrap_or_else(|| panic!("there is no container {vmid}"));
            container.meter.add(now, [netin, netout])
        };
        self.cluster.changed.notify_one();
        passed
    }

    /// Sets one of a container's pressure figures, in percent: `cpusome`, `cpufull`, `iosome`,
    /// `iofull`, `memorysome` or `memoryfull`. They are 0 until then, and shown while it runs.
    pub fn set_pressure(&self, vmid: u32, kind: &str, percent: f64) {
        let mut world = self.cluster.world();
        let figures = world.pressure.entry(vmid).or_default();
        figures.insert(kind.to_owned(), percent);
    }

    /// Installs another release of a package on a node, such as an old `pve-container`. A kernel
    /// (`proxmox-kernel-…`) stays beside the one that runs, which
    /// [`Sim::set_running_kernel`] sets.
    pub fn set_package(&self, node: &str, package: &str, version: &str) {
        let mut world = self.cluster.world();
        let packages = world.packages.entry(node.to_owned()).or_default();
        packages.insert(package.to_owned(), version.to_owned());
    }

    /// Boots a node with another kernel, such as `6.8.12-4-pve`.
    pub fn set_running_kernel(&self, node: &str, release: &str) {
        let mut world = self.cluster.world();
        for node in world.nodes.iter_mut().filter(|one| one.name == node) {
            release.clone_into(&mut node.kernel);
        }
    }

    /// Makes a plain bridge on every node, or changes the host's own address (with prefix) on one
    /// that is there. The account may use it only after a [`Sim::grant`] on
    /// `/sdn/zones/localnetwork/NAME`.
    pub fn add_bridge(&self, name: &str, own_address: Option<&str>) {
        let bridge = Bridge {
            own_address: own_address.map(str::to_owned),
        };
        let mut world = self.cluster.world();
        world.bridges.insert(name.to_owned(), bridge);
    }

    /// Restricts a VNet to these nodes, as its zone does; none named means all.
    pub fn set_vnet_nodes(&self, vnet: &str, nodes: &[&str]) {
        let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
        let mut world = self.cluster.world();
        world.vnet_nodes.insert(vnet.to_owned(), nodes);
    }

    /// The name servers that a container's `resolv.conf` names when it starts: its own, or those of
    /// the host.
    ///
    /// # Panics
    /// There is no such container.
    #[must_use]
    pub fn name_servers(&self, vmid: u32) -> Vec<String> {
        let world = self.cluster.world();
        let container = world.containers.get(&vmid);
        let container = container.unwrap_or_else(|| panic!("there is no container {vmid}"));
        container.name_servers()
    }

    /// Gives a role on a path to a user or token for this path alone, not for those below it.
    pub fn grant_here(&self, path: &str, to: &str, role: &str) {
        self.cluster.world().access.grant_here(path, to, role);
    }
}
