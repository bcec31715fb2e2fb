//! The life of a lease. The states and their order are pure functions here; the store guards the same order in its rows.

// The file is named for what it holds; its neighbours will be the steps of provisioning and expiry.
#[allow(clippy::module_inception)]
mod lease;

pub use lease::LeaseState;
