//! The paywall: the HTTP words around [`payment`](crate::payment). [`gate`] mounts a paid operation and keeps the order of the
//! questions: who signed ([`payer_proof`]), is the payment known (`replay`), does it fit. [`process`] buys what was not seen before in a
//! task of its own. [`idempotency_key`] is about the client's own ids of requests; [`challenge`] and [`reply`] write the answers.

pub mod body;
pub mod challenge;
pub mod gate;
pub mod idempotency_key;
pub mod payer_proof;
mod presented_payment;
pub mod process;
mod replay;
pub mod reply;
mod respond;
mod respond_async;

pub use gate::paid;
