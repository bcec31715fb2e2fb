//! The paywall: the HTTP words around [`payment`](crate::payment). [`gate`] mounts a paid operation and keeps the order of the
//! questions: who signed ([`proof`]), is the payment known (`replay`), does it fit. [`process`] buys what was not seen before in a
//! task of its own. [`key`] is about the client's own ids of requests; [`challenge`] and [`reply`] write the answers.

pub mod body;
pub mod challenge;
pub mod gate;
pub mod key;
mod presented;
pub mod process;
pub mod proof;
mod replay;
pub mod reply;
mod respond;
mod respond_async;

pub use gate::paid;
