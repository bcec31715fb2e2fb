//! Compares leases with Proxmox once a minute. [`reconcile`] is the worker: it follows containers
//! that were moved and ends leases whose container is lost. `reboot` starts containers after their
//! node's boot, `orphans` handles containers without a lease, `host` warns the operator of busy
//! disks and full storages.

mod findings;
mod host;
mod orphans;
mod reboot;
pub mod reconcile;

pub use findings::Findings;
