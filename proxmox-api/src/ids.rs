//! Names and numbers that a mix-up would cost money or a machine: each has a type of its own, made
//! once where its text comes in.

mod minutes;
mod text;
mod wallet;

pub use minutes::Minutes;
pub use text::{LeaseId, PaymentId};
pub use wallet::Wallet;
