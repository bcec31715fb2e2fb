//! The simulator over real sockets, through a plain HTTP client.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic anywhere")]

mod acl;
mod admin;
mod client;
mod conformance;
mod copies;
mod creation;
mod faults;
mod firewall;
mod host;
mod hostile;
mod life;
mod meters;
mod operator;
mod shells;
mod socket;
mod ssh;
mod tasks;
mod terminal;
mod transport;
