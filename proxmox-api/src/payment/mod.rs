//! The life of a payment. [`state`] and [`machine`] are pure: the states, the moves between them, and what is done next for
//! whatever happened. [`driver`] is the only one who does it; [`purchase`] (a request), [`follow`] (an unknown outcome), the
//! sweep and a copy of a request all call it. [`moves`] makes sure that a payment's state is written by nobody else, and
//! `record` writes it, with what belongs to it in the same commit; `asks` asks the facilitator and the chain. [`operation`] is what a paid operation says of itself;
//! [`recheck`] looks at the chain once more for payments that are over, [`resolve`] is a person's decision, and [`owed`] says
//! what is owed for what could not be delivered. Nothing here reads or writes HTTP, or knows what a container is.

mod asks;
pub mod digest;
pub mod driver;
pub mod follow;
pub mod operation;
pub mod owed;
pub mod progress;
pub mod purchase;
pub mod recheck;
mod record;
pub mod resolve;

pub use crate::payment_machine::{MAX_TIMEOUT_SECONDS, PaymentState};
pub use operation::{
    About, Call, Delivered, Flow, Job, Operation, Paid, Progress, Registered, Repeat,
};

use crate::payment_machine::{self as machine, moves, state};
use machine::{Funding, Terms};

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
