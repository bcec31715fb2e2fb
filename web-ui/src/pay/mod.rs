//! A payment from its offer to its receipt. [`call`] is what can be bought, [`card`] what the customer sees of a purchase and how
//! it may change, [`budget`] what may be spent, [`outcome`] what an answer means for the money, [`record`] what is
//! kept while a signature is under way, so that a reload sends the same one again, [`retry`] when it is sent again,
//! [`refusal`] why it was not taken, [`sends`] the request that is paid for, as the customer sees it.
//! All of that is pure; `driver` performs it in the browser.

pub mod budget;
pub mod call;
pub mod card;
pub mod outcome;
pub mod record;
pub mod refusal;
pub mod retry;
pub mod sends;

#[cfg(target_arch = "wasm32")]
pub mod driver;

pub use budget::{Budget, OverBudget};
pub use call::{Call, Item};
pub use card::{CardId, Offer, Owed, PayCard, Phase, Progress, Receipt, Via};
#[cfg(target_arch = "wasm32")]
pub use driver::{DRIVER, Pay, Suspended, TurnNews, leased};
pub use record::Credential;
pub use sends::{Request, Sends};
