//! The way to the containers' network ends, and what a test may change about them: the defects of
//! their SSH servers, and addresses that a tenant takes.

use std::net::SocketAddr;

use crate::sim::Sim;
use crate::ssh_defects::SshDefects;

impl Sim {
    /// The address of the SOCKS 5 proxy that leads to the containers by the addresses that they
    /// report.
    #[must_use]
    pub fn guest_proxy(&self) -> SocketAddr {
        self.guest_proxy
    }

    /// Sets what is wrong with a container's SSH server; holds for connections that come from now
    /// on, and `frozen` for all.
    pub fn set_ssh_defects(&self, vmid: u32, defects: SshDefects) {
        let frozen = defects.frozen;
        self.cluster.world().ssh_defects.insert(vmid, defects);
        self.cluster.terminals.freeze(vmid, frozen);
    }

    /// Lets a container report this IPv4 address (with prefix) in the place of its own, as its root
    /// can with `ip addr add`; `None` ends that. The network still leads to the container that was
    /// given the address, and to this one only if there is none.
    pub fn claim_address(&self, vmid: u32, address: Option<&str>) {
        let mut world = self.cluster.world();
        match address {
            Some(address) => world.claimed_addresses.insert(vmid, address.to_owned()),
            None => world.claimed_addresses.remove(&vmid),
        };
    }
}
