//! The agent through its real router and real sockets: against the lease API on the simulated
//! Proxmox, and against a fake lease API that misbehaves.

// A failed set-up is a failed test.
#![allow(clippy::unwrap_used)]

mod agent;
mod bad_input;
mod bodies;
mod cancel;
mod confirm;
mod customer;
mod fake_lease_api;
mod file_calls;
mod inside;
mod leases;
mod limits;
mod market;
mod model;
mod money;
mod open_payments;
mod panics;
mod passed_on;
mod ports;
mod process;
mod provider;
mod repeats;
mod secrets;
mod shown;
