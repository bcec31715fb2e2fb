//! proxmox-api
pub mod lease;
pub mod store;
