//! What the faults of a campaign act on.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::Address;

use crate::{
    clock::Clock,
    journal::Journal,
    world::{
        database::Database,
        ledger::Ledger,
        node::Node,
        proxmox::{Cluster, Removed},
        service::Service,
    },
};

/// Everything that can be made to fail.
#[derive(Clone)]
pub struct Targets {
    /// The processes.
    pub services: Vec<Arc<Service>>,
    /// The Proxmox cluster.
    pub cluster: Arc<Cluster>,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The chain's node.
    pub node: Arc<Node>,
    /// The store's server.
    pub database: Database,
    /// The campaign's time.
    pub clock: Arc<Clock>,
    /// What happened.
    pub journal: Arc<Journal>,
    /// What an administrator removed.
    pub removed: Arc<Mutex<Vec<Removed>>>,
    /// The faults are over.
    pub over: Arc<AtomicBool>,
    /// Who is paid.
    pub pay_to: Address,
}

impl Targets {
    /// Whether the faults go on.
    pub fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }
}
