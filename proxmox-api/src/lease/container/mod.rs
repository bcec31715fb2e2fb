//! One container in Proxmox: where it is, whether it is the lease's own, how it is started and
//! halted.

pub mod address;
pub mod error;
pub mod halt;
pub mod locate;
pub mod lock;
pub mod marker;
pub mod start;
