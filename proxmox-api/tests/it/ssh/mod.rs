//! Commands, consoles and files over SSH, with a real OpenSSH server in place of a container's.

mod addresses;
mod attacks;
mod background;
mod commands;
mod consoles;
mod distribution;
mod ends;
mod files;
mod real;
mod repeats;
pub mod replicas;
pub mod server;
mod set_up;
mod simulated;
mod uploads;
