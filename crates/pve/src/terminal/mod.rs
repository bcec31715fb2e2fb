//! A container's terminal over Proxmox's API: the ticket (`proxy`), the WebSocket (`socket`), its
//! messages (`framing`), and the two ends that a program holds (`stream`). [`Consoles`] adds what a
//! service needs around that: one user of a container's terminal at a time (`locks`) and a second
//! account for older hosts.
//!
//! All terminals of one container are one and the same session inside of it; see [`TerminalLocks`].

mod consoles;
mod error;
mod framing;
mod locks;
mod proxy;
mod socket;
mod stream;

pub use consoles::{ConsoleSession, Consoles};
pub use error::TerminalError;
pub use locks::{
    ConsoleInUse, ConsoleUse, SharedGuard, SharedTerminals, TerminalLockGuard, TerminalLocks,
};
pub(crate) use stream::{PACE, PACED_BYTES};
pub use stream::{PacedWriter, Terminal, TerminalReader, TerminalWriter};
