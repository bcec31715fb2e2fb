//! A console in the page: xterm.js, loaded when the first one is opened, over the lease API's own WebSocket. [`protocol`] is what is
//! said there; `screen` is the emulator, `link` the connection, whose `mount` puts the two together.

pub mod protocol;

#[cfg(target_arch = "wasm32")]
mod link;
#[cfg(target_arch = "wasm32")]
mod screen;

#[cfg(target_arch = "wasm32")]
pub use link::{TerminalEvents, TerminalHandle, mount};
#[cfg(target_arch = "wasm32")]
pub use screen::load;

/// How a terminal is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalState {
    /// The emulator is being loaded.
    Loading,
    /// The connection is being made, or made again.
    Connecting,
    /// It can be used.
    Open,
    /// It is over; another needs another ticket.
    Closed {
        /// The WebSocket's code.
        code: u16,
        /// One sentence for people.
        reason: String,
    },
    /// It cannot be shown at all.
    Failed(String),
}
