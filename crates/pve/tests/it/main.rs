//! The client against a server with scripted responses, and against the simulated Proxmox.

#![allow(
    clippy::unwrap_used,
    reason = "the functions that tests share may fail like the tests do"
)]

mod answers;
mod certainty;
mod cuts;
mod defects;
mod exec;
mod fence;
mod host;
mod login;
mod mock;
mod old_shape;
mod real;
mod requests;
mod simulator;
mod terminal;
