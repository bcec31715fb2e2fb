//! Commands, consoles and files over SSH, with a real OpenSSH server in place of a container's.

mod attacks;
mod background;
mod commands;
mod consoles;
mod distribution;
mod files;
mod real;
pub mod replicas;
pub mod server;
mod set_up;
mod simulated;
