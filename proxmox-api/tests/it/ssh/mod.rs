//! Commands, consoles and files over SSH, with a real OpenSSH server in place of a container's.

mod attacks;
mod background;
mod commands;
mod consoles;
mod files;
pub mod replicas;
mod server;
mod simulated;
