//! What the faults of a campaign act on.

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

/// Everything that can be made to fail.
#[derive(Clone)]
pub struct FaultTargets {
    /// The processes.
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
    /// What happened.
    pub journal: Arc<Journal>,
    /// What an administrator removed.
    pub removed: Arc<Mutex<Vec<RemovedContainer>>>,
    /// The faults are over.
    pub over: Arc<AtomicBool>,
    /// Who is paid.
    pub pay_to: Address,
}

impl FaultTargets {
    /// Whether the faults go on.
    pub fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }
}
