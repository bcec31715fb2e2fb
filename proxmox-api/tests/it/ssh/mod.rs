//! Commands, consoles and files over SSH, with a real OpenSSH server in place of a container's.

mod addresses;
mod attacks;
mod background;
mod commands;
mod consoles;
mod ends;
mod files;
mod repeats;
pub mod server;
mod simulated;
mod uploads;
