//! The payment of a paid request, from its reservation to its answer.
//! [`payment_machine`](crate::payment_machine) decides what is done next; [`driver`] alone performs
//! it. A request ([`purchase`], or [`from_credit`]), a copy of a request, the task that follows an unknown outcome
//! ([`driver::follow`]) and the sweep all call the driver. `store_transition` stores each
//! transition with the rows that belong to it, and `queries` calls the facilitator and the chain.
//! [`operation`] is the trait of a paid operation; [`returns`] makes credit of debts, [`recheck`] looks at the chain again for
//! payments that have ended, [`resolve`] stores an operator's decision, [`owed`] writes the errors
//! about debts, and [`payment_locks`] takes a payment's locks. Nothing here reads or writes HTTP,
//! or knows what a container is.

pub mod digest;
pub mod driver;
pub mod from_credit;
pub mod operation;
pub mod outcome;
pub mod owed;
pub mod payment_locks;
pub mod purchase;
mod queries;
pub mod recheck;
pub mod resolve;
pub mod returns;
mod store_transition;

pub use operation::{
    Delivery, Operation, OperationInfo, OperationRequest, PaymentFlow, PaymentJob, Registered,
    RetryPolicy, SettledPayment,
};

use crate::payment_machine::{Funding, PaymentContext, TransitionRight};

/// The only right to move payments.
struct Right;

impl TransitionRight for Right {}

/// The context of a step that delivers and undoes nothing. An operation that is not known here may
/// have run if it was begun.
fn context_without_operation() -> PaymentContext {
    PaymentContext {
        funding: Funding::X402,
        retry: RetryPolicy::Once,
        has_chain: true,
        is_simulated: false,
    }
}
