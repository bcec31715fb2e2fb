//! The outcome of processing a payment, as its caller gets it.

use x402::reason::Reason;

use crate::{error::ApiError, store::StoredAnswer};

/// The outcome of processing a payment.
#[derive(Debug)]
pub enum PaymentOutcome {
    /// Paid and done.
    Done {
        /// The answer as stored.
        answer: StoredAnswer,
        /// The transfer's transaction.
        transaction: String,
    },
    /// It is not known yet whether the money moved; an answer, if there is something to show.
    Unknown(Option<StoredAnswer>),
    /// The payment is not valid; nothing was charged.
    NotTaken(Reason),
    /// Settlement was refused; nothing was charged.
    Refused(String),
    /// The request failed; nothing was charged.
    Failed(ApiError),
    /// It is paid, and not delivered.
    Undelivered {
        /// What the customer is told.
        error: ApiError,
        /// The transfer's transaction.
        transaction: String,
    },
    /// Another process works on it, or there was nothing to do.
    Elsewhere,
}
