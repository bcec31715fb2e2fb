//! Newtypes for names and numbers: a mix-up would cost money or a container. Each is parsed once,
//! where its text comes in.

mod minutes;
mod text;
mod wallet;

pub use minutes::Minutes;
pub use text::{KeyId, LeaseId, PaymentId};
pub use wallet::Wallet;
