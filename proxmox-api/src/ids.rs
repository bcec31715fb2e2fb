//! Names that a mix-up would cost money or a machine: each has a type of its own, made once where
//! its text comes in.

mod text;
mod wallet;

pub use text::{LeaseId, PaymentId};
pub use wallet::Wallet;
