//! The life of a payment. [`state`] and [`machine`] are pure: the states, the moves between them, and what is done next for
//! whatever happened. [`driver`] is the only one who does it; [`purchase`] (a request), [`follow`] (an unknown outcome), the
//! sweep and a copy of a request all call it. [`moves`] makes sure that a payment's state is written by nobody else, and
//! `record` writes it, with what belongs to it in the same commit; `asks` asks the facilitator and the chain. [`operation`] is what a paid operation says of itself;
//! [`recheck`] looks at the chain once more for payments that are over, [`resolve`] is a person's decision, and [`owed`] says
//! what is owed for what could not be delivered. Nothing here reads or writes HTTP, or knows what a container is.

mod asks;
pub mod checkpoint;
pub mod digest;
pub mod driver;
pub mod follow;
pub mod machine;
pub mod moves;
pub mod operation;
pub mod owed;
pub mod progress;
pub mod purchase;
pub mod recheck;
mod record;
pub mod resolve;
pub mod state;
pub mod tariffs;

pub use operation::{
    About, Call, Delivered, Flow, Job, Operation, Paid, Progress, Registered, Repeat,
};
pub use state::PaymentState;

use machine::{Funding, Terms};

/// Seconds that a payment stays valid after it was signed: all the time there is to make a container and to settle.
pub const MAX_TIMEOUT_SECONDS: u64 = 300;

/// The terms of a step that delivers and undoes nothing. What was begun by an operation that is not
/// known here may have run.
fn terms_without_work() -> Terms {
    Terms {
        funding: Funding::X402,
        repeat: Repeat::Once,
        has_chain: true,
        is_simulated: false,
    }
}
