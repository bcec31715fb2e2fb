//! Why there is no answer, and whether it can have cost anything.

use crate::{payment::Payment, purchase::ChoiceError, reason::Reason};

/// No answer could be had.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The request's body is a stream: it cannot be sent a second time with a payment.
    #[error("the request cannot be sent again, since its body is a stream")]
    NotRepeatable,
    /// The request failed before anything was signed.
    #[error("the request failed before anything was signed")]
    Unpaid(#[source] reqwest::Error),
    /// The server's 402 says nothing that can be answered.
    #[error("the challenge cannot be read: {0}")]
    Challenge(Reason),
    /// The price or the way to pay is not within the limits; nothing was signed.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The key could not sign.
    #[error("signing failed")]
    Signing(#[source] alloy::signers::Error),
    /// The payment was sent and no answer came. Money may have moved: send this payment again,
    /// with [`super::Delivery::send`] and the same `Idempotency-Key`, and sign no other.
    #[error("the payment was sent and no answer came; it may have been settled")]
    Lost {
        /// What was sent.
        payment: Box<Payment>,
        /// The `Idempotency-Key` sent with it.
        idempotency_key: Option<String>,
        /// What was seen last.
        #[source]
        source: reqwest::Error,
    },
}
