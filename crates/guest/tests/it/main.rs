//! The crate against real OpenSSH servers, a SOCKS5 proxy and a hostile SSH server, all on
//! loopback and started by the tests.

#![allow(clippy::unwrap_used, missing_docs)]

mod connect;
mod exec;
mod files;
mod folder;
mod hostile;
mod login_shells;
mod penalties;
mod ports;
mod shell;
mod socks;
#[path = "../sshd/mod.rs"]
mod sshd;
mod transfer;
