//! Leases: their clock, warnings, order and summary, the form for a new one, and the board that is
//! kept up to date.

#[cfg(target_arch = "wasm32")]
pub mod board;
pub mod clock;
pub mod expiry_warnings;
pub mod form;
pub mod order;
pub mod samples;
pub mod summary;
