//! A simulated Proxmox VE that answers as the real one does, so that clients written by others
//! accept it: TLS, tokens and tickets, access rules with pools, parameter validation with Proxmox's
//! texts, configuration locks, tasks with realistic lives, high availability, and faults on request.
//!
//! [`Sim`] is the handle. Beside what a test may look at, it has an administrator's hand: containers
//! are migrated, cloned, restored, re-pooled and renumbered behind a client's back, and nodes reboot
//! or flap. `docs/PROXMOX-CONFORMANCE.md` lists what is answered in such situations, with the
//! source.

mod access;
mod admin;
mod api;
mod certificate;
mod clock;
mod cluster;
mod config;
mod console;
mod encoding;
mod faults;
mod firewall;
mod guest_tasks;
mod host;
mod manager;
mod meters;
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
    NodeCapacity, ShellMode, SimConfig, StorageConfig, TemplateConfig, TerminalDefects, VnetConfig,
};
pub use faults::{Fault, FaultKind, Faults, Operation};
pub use firewall::GuestFirewallSnapshot;
pub use sim::Sim;
pub use snapshot::{ContainerSnapshot, RequestRecord, TaskSnapshot};
pub use state::write_private;
pub use terminal::lxc_obstacle;
pub use world::backup::Backup;
