//! A payment from its offer to its receipt. [`operation`] is what can be bought, [`card`] what the
//! customer sees of a purchase and how it may change, [`budget`] the customer's limits, [`outcome`]
//! what a response means for the money, [`stored_payment`] what is stored while a payment is under
//! way, so that a reload sends the same signed request again, [`retry`] when it is sent again,
//! [`refusal_reason`] why a payment was refused, [`request_view`] the request as the customer sees
//! it before paying. All of that is pure; `driver` performs it in the browser.

pub mod budget;
pub mod card;
pub mod operation;
pub mod outcome;
pub mod refusal_reason;
pub mod request_view;
pub mod retry;
pub mod stored_payment;

#[cfg(target_arch = "wasm32")]
pub mod driver;

pub use budget::{CustomerBudget, OverBudget};
pub use card::{
    CardId, Offer, OwedPayment, PayCard, PaymentPhase, PurchaseReceipt, PurchaseVia, WorkProgress,
};
#[cfg(target_arch = "wasm32")]
pub use driver::{Pay, SuspendedPurchase, TurnUpdate, leased};
pub use operation::{PaidOperation, PurchaseItem};
pub use request_view::{RequestText, RequestView};
pub use stored_payment::LoginCredential;
