//! The client's errors, and whether money may have moved.

use crate::{payment::Payment, purchase::ChoiceError, reason::Reason};

/// No response was received.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The request's body is a stream, so it cannot be sent a second time with a payment.
    #[error("the request cannot be sent again, since its body is a stream")]
    NotRepeatable,
    /// The request failed before anything was signed.
    #[error("the request failed before anything was signed")]
    Unpaid(#[source] reqwest::Error),
    /// The challenge of the server's 402 cannot be read.
    #[error("the challenge cannot be read: {0}")]
    Challenge(Reason),
    /// The price or the payment options are outside the limits; nothing was signed.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The key could not sign.
    #[error("signing failed")]
    Signing(#[source] alloy::signers::Error),
    /// The payment was sent and no response came. Money may have moved: send this payment again
    /// with [`super::DeliveryPolicy::send`] and the same `Idempotency-Key`, and sign no other.
    #[error("the payment was sent and no answer came; it may have been settled")]
    Lost {
        /// The payment that was sent.
        payment: Box<Payment>,
        /// The `Idempotency-Key` that was sent with it.
        idempotency_key: Option<String>,
        /// The last failure.
        #[source]
        source: reqwest::Error,
    },
}
