//! A terminal in the page: xterm.js, which is loaded with the first terminal, over the console's
//! WebSocket. [`protocol`] has the messages, `screen` is the emulator, `connection` the WebSocket,
//! and its `mount` connects the two.

pub mod protocol;

#[cfg(target_arch = "wasm32")]
mod connection;
#[cfg(target_arch = "wasm32")]
mod screen;

#[cfg(target_arch = "wasm32")]
pub use connection::{TerminalEvents, TerminalHandle, mount};
#[cfg(target_arch = "wasm32")]
pub use screen::load;

/// The state of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalState {
    /// The emulator is being loaded.
    Loading,
    /// It is being connected or reconnected.
    Connecting,
    /// It is connected.
    Open,
    /// It is closed. Opening one again needs a new ticket.
    Closed {
        /// The WebSocket's close code.
        code: u16,
        /// The reason, for people.
        reason: String,
    },
    /// It could not be opened, with the reason for people.
    Failed(String),
}
