//! A request with a payment, and the replies about it that need no work.

use std::{net::IpAddr, time::Duration};

use api_types::ErrorCode;
use bytes::Bytes;
use tokio::time::timeout;
use x402::{
    payment::Payment,
    wire::{Rest, receipt::Receipt},
};

use super::{payer_proof::PayerProof, reply::PaymentReply};
use crate::{
    error::ApiError,
    ids::{LeaseId, PaymentId, Wallet},
    payment::{
        Operation, OperationRequest,
        outcome::PaymentOutcome,
        payment_locks::{PaymentLocks, signature_name},
    },
    state::App,
};

/// How long a copy waits for the first request. A container takes up to half a minute.
pub(super) const COPY_TIMEOUT: Duration = Duration::from_secs(90);

/// A request with a payment, before the payment's terms are checked.
pub struct PresentedPayment {
    /// The payment.
    pub payment: Payment,
    /// Whether the payer is proven.
    pub proof: PayerProof,
    /// The digest of method, path and body.
    pub digest: String,
    /// The idempotency key.
    pub key: Option<String>,
    /// The wallet of the request's session, if it has one.
    pub wallet: Option<Wallet>,
    /// The client's address, if it is known.
    pub client: Option<IpAddr>,
    /// Path of the request.
    pub path: String,
    /// The `{ctid}` of the path, where the route has one.
    pub ctid: Option<String>,
    /// The `leaseId` of the query.
    pub lease_id: Option<LeaseId>,
    /// The body.
    pub body: Bytes,
    /// The locks of its payment, unless another task holds them.
    pub locked: Option<PaymentLocks>,
}

impl PresentedPayment {
    pub(super) fn operation_request(&self) -> OperationRequest<'_> {
        OperationRequest {
            ctid: self.ctid.as_deref(),
            lease_id: self.lease_id.as_ref(),
            body: &self.body,
        }
    }

    /// Takes the payment's locks, or waits for them: of its signature, from before its row is
    /// inserted, and of the row.
    ///
    /// # Errors
    /// The first request takes too long, or the database that replicas share cannot be reached.
    pub(super) async fn lock(&mut self, app: &App) -> Result<PaymentLocks, ApiError> {
        if let Some(locked) = self.locked.take() {
            return Ok(locked);
        }
        match timeout(
            COPY_TIMEOUT,
            PaymentLocks::take(app, &self.signature_name()),
        )
        .await
        {
            Ok(locked) => Ok(locked?),
            Err(_) => Err(in_progress()),
        }
    }

    /// The name of its signature's lock.
    fn signature_name(&self) -> String {
        let nonce = self.payment.authorization().nonce.to_string();
        signature_name(&self.payer(), &nonce)
    }

    pub(super) fn payer(&self) -> Wallet {
        self.payment.payer().into()
    }

    /// A receipt for the payment's version.
    pub(super) fn receipt(&self, transaction: &str) -> Receipt {
        Receipt {
            success: true,
            error_reason: None,
            transaction: transaction.to_owned(),
            network: self.payment.network().to_owned(),
            payer: Some(self.payment.payer().to_checksum(None)),
            rest: Rest::new(),
        }
    }

    /// A receipt for money that did not move.
    pub(super) fn refusal(&self, reason: String) -> Receipt {
        Receipt {
            success: false,
            error_reason: Some(reason),
            ..self.receipt("")
        }
    }

    /// The reply to an outcome.
    pub(super) fn reply<O: Operation>(
        &self,
        app: &App,
        payment_id: &PaymentId,
        outcome: PaymentOutcome,
    ) -> PaymentReply {
        match outcome {
            PaymentOutcome::Done {
                answer,
                transaction,
            } => PaymentReply::Done {
                answer: O::reveal(app, payment_id, answer),
                receipt: self.receipt(&transaction),
            },
            PaymentOutcome::Unknown(Some(answer)) => PaymentReply::Held(answer),
            PaymentOutcome::Unknown(None) => unresolved(payment_id).into(),
            PaymentOutcome::NotTaken(reason) => PaymentReply::NotTaken(reason),
            PaymentOutcome::Refused(reason) => PaymentReply::NotSettled(self.refusal(reason)),
            PaymentOutcome::Failed(error) => error.into(),
            PaymentOutcome::Undelivered { error, transaction } => PaymentReply::Failed {
                error,
                receipt: Some(self.receipt(&transaction)),
            },
            PaymentOutcome::Elsewhere => in_progress().into(),
        }
    }
}

/// The payment or the key belongs to another request.
pub(super) fn conflict() -> ApiError {
    let message = "This payment, or this Idempotency-Key, belongs to another request.";
    ApiError::new(ErrorCode::PaymentReplayed, message).advise("sign in and GET /leases to see what it bought; for another purchase take a new key and sign a new payment")
}

pub(super) fn in_progress() -> ApiError {
    let message = "The same payment is being worked on at this moment.";
    ApiError::new(ErrorCode::PaymentInProgress, message)
        .retry_after(2)
        .advise("send the same signed request again to learn its outcome")
}

/// Never a 402: the money may have moved.
pub(super) fn unresolved(payment_id: &PaymentId) -> ApiError {
    let message = "It is not known yet whether the payment moved money. Do not sign another one.";
    ApiError::new(ErrorCode::PaymentUnresolved, message)
        .retry_after(5)
        .with("paymentId", payment_id.as_str())
        .with("statusUrl", "/payments")
        .advise("send the same signed request again to learn its outcome")
}
