//! The traffic that the host lets a container send: the simulated firewall as the toy shell's
//! network sees it.

use std::net::Ipv4Addr;
use std::sync::Weak;

use crate::cluster::Cluster;
use crate::terminal::HostNetwork;

/// A container's interface on its bridge.
pub(super) struct ContainerInterface {
    pub(super) cluster: Weak<Cluster>,
    pub(super) vmid: u32,
}

impl HostNetwork for ContainerInterface {
    fn address(&self) -> Option<Ipv4Addr> {
        let cluster = self.cluster.upgrade()?;
        let world = cluster.world();
        let address = world.containers.get(&self.vmid)?.static_address()?;
        address.parse().ok()
    }

    fn lets_out(&self, source: Ipv4Addr) -> bool {
        let Some(cluster) = self.cluster.upgrade() else {
            return false;
        };
        let world = cluster.world();
        let Some(container) = world.containers.get(&self.vmid) else {
            return false;
        };
        let own = container.static_address().and_then(|own| own.parse().ok());
        let is_filtered = container.net0_flag("firewall")
            && world.firewall.keeps_address(&container.node, self.vmid);
        !container.net0_flag("link_down") && (own == Some(source) || !is_filtered)
    }
}
