//! A simulated Proxmox VE that answers as the real one does, so that clients written by others accept it: TLS, tokens and
//! tickets, access rules with pools, parameter validation with Proxmox's texts, configuration locks, tasks with realistic lives,
//! and faults on request.

mod config;
mod faults;
mod sim;
mod snapshot;

pub use config::{NodeCapacity, SimConfig, StorageConfig, TemplateConfig};
pub use faults::{Fault, FaultKind, Faults, Operation};
pub use sim::Sim;
pub use snapshot::{ContainerSnapshot, RequestRecord, TaskSnapshot};
