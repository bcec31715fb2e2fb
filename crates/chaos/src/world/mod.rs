//! What surrounds the service in a campaign: its processes, the database, Proxmox, the ledger with
//! the chain's node, and the facilitator.

pub mod database;
pub mod facilitator;
pub mod ledger;
pub mod node;
mod postgres;
pub mod proxmox;
pub mod service;
