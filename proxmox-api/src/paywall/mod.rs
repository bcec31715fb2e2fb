//! The paywall. [`operation`] is what a paid operation has to say of itself; [`gate`] mounts it and keeps the order of the
//! questions: who signed ([`proof`]), is the payment known (`replay`), does it fit. [`process`] takes a payment that was not
//! seen before through reservation and verification in a task of its own, `settle` lets the money move, [`follow`] stays with
//! a payment whose outcome is unknown and resumes what a crash left behind, [`recheck`] looks at the chain once more for payments that are over; [`owed`] says what is owed for what could not be
//! delivered. [`key`] is about the client's own ids of requests; [`challenge`] and [`reply`] are the HTTP words.

pub mod body;
pub mod challenge;
pub mod digest;
pub mod follow;
pub mod gate;
pub mod key;
pub mod operation;
pub mod owed;
pub mod process;
pub mod progress;
pub mod proof;
pub mod recheck;
mod replay;
pub mod reply;
mod respond;
mod respond_async;
mod settle;
pub mod tariffs;

pub use gate::paid;
pub use operation::{About, Call, Flow, Job, Operation, Paid, Registered, Repeat};

/// Seconds that a payment stays valid after it was signed: all the time there is to make a container and to settle.
pub const MAX_TIMEOUT_SECONDS: u64 = 300;
