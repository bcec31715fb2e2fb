//! What the browser gives: its clock and timers, and its storage. [`clock`] also has the services'
//! time; `device` signals when something about the device turns out to be wrong.

pub mod clock;
mod device;
pub mod storage;
