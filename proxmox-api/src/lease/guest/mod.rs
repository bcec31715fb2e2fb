//! The ways into a lease's container. SSH, with a key derived for the lease and the host key that
//! Proxmox printed when it made the container, carries many commands, consoles and files at once;
//! the terminal carries one command or console at a time, and is used where SSH cannot be.
//! `connect` decides between them, `address` says what may be connected to, `command` runs a
//! command by either, `background` keeps commands running in the container, `files` changes its
//! files, `host_keys` learns its host keys, `script` runs short scripts of ours, `set_up` gives SSH to
//! a container that lacks it, `shell` quotes words for the container's shell, `stream` connects to its ports, `text` shows output. The
//! crate `guest` speaks SSH.

mod address;
pub mod background;
pub mod command;
pub mod connect;
mod error;
pub mod files;
pub mod host_keys;
pub mod script;
pub mod set_up;
pub mod shell;
pub mod stream;
pub mod text;

pub use error::ssh_unavailable;
