//! The crate against real OpenSSH servers, a SOCKS5 proxy and a hostile SSH server, all on
//! loopback and started by the tests.

mod connect;
mod exec;
mod files;
mod hostile;
mod ports;
mod shell;
mod socks;
mod sshd;
