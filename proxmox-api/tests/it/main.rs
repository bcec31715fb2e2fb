//! The service through its real router and real sockets, against the simulated Proxmox and a facilitator.

// A failed set-up is a failed test.
#![allow(clippy::unwrap_used)]

mod buyer;
mod free_routes;
mod leases;
mod support;
