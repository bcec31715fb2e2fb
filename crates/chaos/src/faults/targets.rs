//! The parts of a campaign that faults act on.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::Address;

use crate::{
    clock::CampaignClock,
    journal::Journal,
    world::{
        database::Database,
        ledger::Ledger,
        node::ChainNode,
        proxmox::{Cluster, RemovedContainer},
        service::ServiceProcess,
    },
};

/// The parts that can be made to fail.
#[derive(Clone)]
pub struct FaultTargets {
    /// The processes of the service.
    pub services: Vec<Arc<ServiceProcess>>,
    /// The Proxmox cluster.
    pub cluster: Arc<Cluster>,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The chain's node.
    pub node: Arc<ChainNode>,
    /// The store's server.
    pub database: Database,
    /// The campaign's time.
    pub clock: Arc<CampaignClock>,
    /// The campaign's events.
    pub journal: Arc<Journal>,
    /// Containers that an administrator removed.
    pub removed: Arc<Mutex<Vec<RemovedContainer>>>,
    /// Whether the faults are over.
    pub over: Arc<AtomicBool>,
    /// The payee.
    pub pay_to: Address,
}

impl FaultTargets {
    /// Whether the faults go on.
    pub fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }
}
