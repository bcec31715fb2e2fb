//! The paywall: HTTP around [`payment`](crate::payment). [`gate`] mounts a paid operation and keeps
//! the order of the steps: prove the signer ([`payer_proof`]), look the payment up, check its
//! terms. [`process`] buys with a payment that was not seen before; `replay` answers for one that
//! was. [`idempotency_key`] reads the client's keys; [`challenge`], [`reply`] and `respond` write
//! the responses.

pub mod body;
pub mod challenge;
mod from_credit;
pub mod gate;
pub mod idempotency_key;
mod incoming;
pub mod payer_proof;
mod presented_payment;
pub mod process;
mod replay;
pub mod reply;
mod respond;
mod respond_async;

pub use gate::paid;
