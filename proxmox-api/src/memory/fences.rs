//! What keeps the containers of each node from the operator's network, as it was last seen.
//! `lease::network::fence` reads it from Proxmox, `lease::network::fence_watch` tells the operator
//! when it changes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use pve::NodeName;
use tokio::sync::Mutex as AsyncMutex;

/// Seconds after which the host's firewall has taken in the rules of a guest: its loop is ten
/// seconds, and takes a moment.
pub const SETTLES_AFTER: i64 = 12;

/// The fence around the containers of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// The host's own table on the bridge, from the first packet on; proven by a probe.
    Bridge,
    /// The guest's firewall, some seconds after its rules were set.
    Guest,
    /// Nothing, and why.
    Open(FenceGap),
}

/// Why there is no fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceGap {
    /// They have no network.
    NoNetwork,
    /// They are on the operator's own network, with addresses of its DHCP server.
    OwnNetwork,
    /// The security group is missing.
    NoGroup,
    /// The datacenter's firewall is off.
    Off,
    /// The security group has no rule that holds.
    NoRules,
    /// The node's firewall is off.
    NodeOff,
    /// The service that puts rules into force does not run on the node.
    NotRunning,
    /// The datacenter's firewall has no rules for the Ethernet layer, by which addresses are kept.
    NoEbtables,
}

impl FenceGap {
    /// What the operator has to do.
    pub fn mend(self) -> &'static str {
        match self {
            Self::NoNetwork => "nothing: containers have no network",
            Self::OwnNetwork => "set PVE_NETWORK; `proxmox-api doctor --setup` prints the fence",
            Self::NoGroup => {
                "make the security group of PVE_SECURITY_GROUP: `proxmox-api doctor --setup` prints it"
            }
            Self::Off => {
                "switch the datacenter's firewall on, or prove the bridge's own table by `proxmox-api doctor --probe`"
            }
            Self::NodeOff => {
                "switch the node's firewall on, or prove the bridge's own table by `proxmox-api doctor --probe`"
            }
            Self::NoRules => {
                "give the security group of PVE_SECURITY_GROUP its rules: `proxmox-api doctor --setup` prints them"
            }
            Self::NotRunning => "start the node's firewall service: `proxmox-api doctor` names it",
            Self::NoEbtables => {
                "pvesh set /cluster/firewall/options --ebtables 1, or prove the bridge's own table by `proxmox-api doctor --probe`"
            }
        }
    }
}

/// The last result for one node, and when it was seen, in Unix milliseconds.
pub type SeenFence = Arc<AsyncMutex<Option<(u64, Fence)>>>;

/// The last result of each node. Concurrent callers for one node share a request, and wait for no
/// other node.
#[derive(Default)]
pub struct RecentFence(Mutex<HashMap<NodeName, SeenFence>>);

impl RecentFence {
    /// The entry of a node; who holds its lock reads the firewall for all who wait.
    pub fn of_node(&self, node: &NodeName) -> SeenFence {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(node.clone()).or_default())
    }
}

/// The nodes without a fence, as of the last comparison.
#[derive(Default)]
pub struct UnfencedNodes(Mutex<HashSet<NodeName>>);

impl UnfencedNodes {
    /// Stores whether a node has no fence; true where that is new.
    pub fn see(&self, node: &NodeName, is_open: bool) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match is_open {
            true => open.insert(node.clone()),
            false => open.remove(node),
        }
    }

    /// How many nodes have none.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
