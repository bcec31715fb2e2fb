//! What the browser gives: its clock and timers, its storage, and files that it saves. [`clock`]
//! also has the services' time; `device` signals when something about the device turns out to be
//! wrong; [`object`] has members that are not in a first visit.

pub mod clock;
mod device;
pub mod object;
mod save;
pub mod storage;

pub use save::save;
