//! The result of a comparison of Proxmox with the store.

use pve::{GuestResource, Node, NodeState};

use crate::ids::LeaseId;

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Containers of ours that were removed because no lease has them.
    pub removed: Vec<u32>,
    /// Containers of ours that no lease has, and that are kept for a while.
    pub orphans: Vec<u32>,
    /// Containers in our pool that are not ours, or are copies of ours.
    pub foreign: Vec<u32>,
    /// Leases that ended because their container is lost.
    pub lost: Vec<LeaseId>,
    /// Leases whose container was started again after its node had rebooted.
    pub started: Vec<LeaseId>,
}

/// Whether a container is on a node that is away: each look at it would wait for the node in vain.
pub(super) fn is_away(nodes: &[Node], guest: &GuestResource) -> bool {
    let found = nodes.iter().find(|node| node.node == guest.node);
    found.is_some_and(|node| node.status == NodeState::Offline)
}
