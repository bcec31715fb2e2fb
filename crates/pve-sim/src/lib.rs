//! A simulated Proxmox VE that behaves as the real one, so that clients of other projects accept
//! it: TLS, tokens and tickets, access rules with pools, parameter validation with Proxmox's
//! texts, configuration locks, tasks with realistic lives, high availability, and faults on
//! request.
//!
//! [`Sim`] is the handle. Tests read its state and act as an administrator: they migrate, clone,
//! restore, re-pool and renumber containers, and nodes reboot or flap.
//! `docs/PROXMOX-CONFORMANCE.md` lists the responses in such situations, with the source.

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
mod first_files;
mod guest_tasks;
mod host;
mod manager;
mod meters;
mod network;
mod processes;
mod response;
mod schema;
mod server;
mod sim;
mod snapshot;
mod socks;
mod ssh;
mod ssh_defects;
mod sshd;
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
pub use ssh_defects::SshDefects;
pub use sshd::run as run_guest;
pub use state::write_private;
pub use world::backup::Backup;
