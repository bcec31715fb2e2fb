//! A simulated Proxmox VE that answers as the real one does, so that clients written by others accept it: TLS, tokens and
//! tickets, access rules with pools, parameter validation with Proxmox's texts, configuration locks, tasks with realistic lives,
//! and faults on request.

mod access;
mod api;
mod certificate;
mod clock;
mod cluster;
mod config;
mod console;
mod encoding;
mod faults;
mod refusal;
mod schema;
mod server;
mod sim;
mod snapshot;
mod state;
mod terminal;
mod wire;
mod worker;
mod world;

pub use config::{
    NodeCapacity, ShellMode, SimConfig, StorageConfig, TemplateConfig, TerminalDefects,
};
pub use faults::{Fault, FaultKind, Faults, Operation};
pub use sim::Sim;
pub use snapshot::{ContainerSnapshot, RequestRecord, TaskSnapshot};
pub use state::write_private;
pub use terminal::lxc_obstacle;
