//! The client against a server that says exactly what a test tells it to, and against the simulated Proxmox.

mod answers;
mod certainty;
mod login;
mod mock;
mod requests;
