//! The paywall. [`operation`] is what a paid operation has to say of itself; [`gate`] mounts it and keeps the order of the
//! checks, up to the point where a payment is known to be good as far as that can be said without asking anybody;
//! [`process`] then takes it through reservation and verification in a task of its own, `settle` lets the money move, `known`
//! tells copies what became of it; [`follow`] stays with a
//! payment whose outcome nobody knows, and takes up what a crash left behind. [`challenge`] and [`reply`] are the HTTP words.

pub mod body;
pub mod challenge;
pub mod digest;
pub mod follow;
pub mod gate;
mod known;
pub mod operation;
pub mod process;
pub mod progress;
pub mod reply;
mod respond_async;
mod settle;
pub mod tariffs;

pub use gate::paid;
pub use operation::{About, Call, Flow, Job, Operation, Paid};

/// Seconds that a payment stays valid after it was signed: all the time there is to make a container and to settle.
pub const MAX_TIMEOUT_SECONDS: u64 = 300;
