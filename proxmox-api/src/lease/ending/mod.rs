//! The end of a lease. [`expiry`] is the worker, which works in `lanes` of each node and does
//! [`end_steps`]; [`remove`]
//! removes a container; [`held`] stops and destroys containers whose payment is unknown; [`lost`]
//! ends a lease whose container was lost; [`unpaid`] counts containers that were never paid for the
//! brake.

pub mod end_steps;
pub mod expiry;
pub mod held;
pub(crate) mod lanes;
pub mod lost;
pub mod remove;
pub mod unpaid;
