//! Makes the container of a lease: [`create`] asks Proxmox for it, [`probe`] waits until it
//! answers. Then `operations::lease_container` lets the payment be settled.

pub mod create;
pub mod probe;
