//! Commands, shells, files and ports of a guest, over SSH.
//!
//! This crate knows SSH and nothing of the service or of Proxmox. [`GuestConnections`] holds the
//! connections of all leases; [`GuestConnections::guest`] gives a [`Guest`] for a [`GuestTarget`]:
//!
//! * [`Guest::open_command`] and [`OpenedCommand::run`]: commands, many at once, with input,
//!   environment, directory, user and time limit.
//! * [`Guest::open_shell`]: login shells in terminals.
//! * [`Guest::stat`], [`Guest::list`], [`Guest::read_file`], [`Guest::write_file`],
//!   [`Guest::make_dir`], [`Guest::rename`], [`Guest::remove`]: files, of any size.
//! * [`Guest::dial`]: connections to what listens on the guest's loopback.
//! * [`Guest::probe`]: whether SSH works, and if not, why.
//!
//! # Promises
//! * Nothing is signed or sent before the server has proved the pinned host key ([`HostKeys`]).
//! * [`GuestError::may_have_run`] is `false` only if no request for the command was written.
//! * A reader that stalls holds up its own operation only.
//! * While files are read or written, a guest that vanishes is noticed within seconds.
//! * Memory is bounded whatever a guest's SSH server sends.
//! * Dropping a future ends what it does, in the guest too.
//!
//! # Threads
//! Everything is `Send` and needs a tokio runtime with time and I/O; dropping spawns tasks there.

mod channel;
mod client;
mod command;
mod connection;
mod customer_key;
mod dialer;
mod error;
mod exec;
mod files;
mod key;
mod lease;
mod logins;
mod output;
mod paths;
mod pin;
mod pool;
mod script;
mod sftp;
mod shell;
mod signal;
mod slots;
mod stream;
mod target;
mod transfer;
mod watch;

pub use command::{CommandOutcome, CommandRequest, OutputSink, OutputStream};
pub use customer_key::{CustomerKey, InvalidCustomerKey};
pub use dialer::{Dialer, InvalidProxy};
pub use error::GuestError;
pub use exec::OpenedCommand;
pub use files::{DirEntry, FileKind, FileStat, Listing};
pub use key::GuestKey;
pub use pin::{Fingerprint, HostKeys, InvalidFingerprint};
pub use pool::{Guest, GuestConnections};
pub use shell::{GuestShell, ShellReader, ShellRequest, ShellWriter};
pub use stream::GuestStream;
pub use target::{ConnectionCounts, GuestTarget, Limits};
pub use transfer::{FileReader, WriteOptions};
