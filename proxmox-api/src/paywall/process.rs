//! Processes a payment that was not seen before: a purchase, and the reply to it.

use api_types::{ErrorCode, Price};
use x402::offer::Offer;

use super::{
    payer_proof::PayerProof,
    presented_payment::{PresentedPayment, conflict, in_progress},
    replay::{PaymentReleased, replay},
    reply::PaymentReply,
};
use crate::{
    payment::{
        Operation,
        outcome::PaymentOutcome,
        purchase::{PurchaseOutcome, PurchaseRequest, buy},
    },
    progress::Progress,
    state::App,
};

/// A request whose payment fits its price and terms.
pub struct PaidRequest<O> {
    /// The operation.
    pub operation: O,
    /// The offer that the payment fits.
    pub offer: Offer,
    /// The price with its lines.
    pub price: Price,
    /// The request and its payment.
    pub presented: PresentedPayment,
}

/// Processes a payment that was not seen before.
pub async fn process<O: Operation>(
    app: &App,
    entry: PaidRequest<O>,
    progress: Progress,
) -> PaymentReply {
    let mut presented = entry.presented;
    let locked = match presented.lock(app).await {
        Ok(locked) => locked,
        Err(error) => return error.into(),
    };
    // Before the facilitator is asked and a row is inserted.
    if let Err(error) = app.failed_payments.check(presented.client) {
        return error.into();
    }
    let purchase = PurchaseRequest {
        operation: entry.operation,
        offer: entry.offer,
        price: entry.price,
        payment: presented.payment.clone(),
        is_proven: presented.proof == PayerProof::Payer,
        digest: presented.digest.clone(),
        key: presented.key.clone(),
        client: presented.client,
    };
    match buy(app, purchase, locked, progress.clone()).await {
        PurchaseOutcome::Processed {
            payment_id,
            outcome,
        } => {
            let reply = presented.reply::<O>(app, &payment_id, outcome);
            count::<O>(&reply);
            count_failure(app, &presented, &reply);
            reply
        }
        PurchaseOutcome::Declined(outcome) => {
            let reply = match outcome {
                PaymentOutcome::NotTaken(reason) => PaymentReply::NotTaken(reason),
                PaymentOutcome::Failed(error) => error.into(),
                _ => in_progress().into(),
            };
            count_failure(app, &presented, &reply);
            reply
        }
        PurchaseOutcome::Replay(payment_id) => {
            let told = replay::<O>(app, &presented, &payment_id, progress).await;
            told.unwrap_or_else(|_: PaymentReleased| in_progress().into())
        }
        PurchaseOutcome::Conflict => conflict().into(),
    }
}

/// Counts a payment that the facilitator refused or left without an outcome: an address with too
/// many of them has to wait. A request that may succeed later, or failed on our side, is not
/// counted.
fn count_failure(app: &App, presented: &PresentedPayment, reply: &PaymentReply) {
    let is_failure = match reply {
        PaymentReply::NotTaken(_) | PaymentReply::NotSettled(_) | PaymentReply::Held(_) => true,
        PaymentReply::Failed {
            error,
            receipt: None,
        } => {
            let refused = (400..500).contains(&error.code.status()) && error.retry_after.is_none();
            refused || error.code == ErrorCode::PaymentUnresolved
        }
        PaymentReply::Done { .. }
        | PaymentReply::FromCredit { .. }
        | PaymentReply::NoCredit(_)
        | PaymentReply::Failed { .. } => false,
    };
    if is_failure {
        app.failed_payments.count(presented.client);
    }
}

pub(super) fn count<O: Operation>(reply: &PaymentReply) {
    let outcome = match reply {
        PaymentReply::Done { .. } => "done",
        PaymentReply::FromCredit { .. } => "done_from_credit",
        PaymentReply::NoCredit(_) => "no_credit",
        PaymentReply::Held(_) => "held",
        PaymentReply::NotTaken(_) => "not_taken",
        PaymentReply::NotSettled(_) => "not_settled",
        PaymentReply::Failed {
            receipt: Some(_), ..
        } => "paid_not_delivered",
        PaymentReply::Failed { .. } => "failed",
    };
    metrics::counter!("payments_total", "operation" => O::NAME, "outcome" => outcome).increment(1);
}
