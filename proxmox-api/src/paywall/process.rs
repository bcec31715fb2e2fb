//! A request with a payment, and its way to a reply: bought where the payment was not seen before, told again where it was.

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

/// A request whose payment is good as far as that can be said here.
pub struct PaidRequest<O> {
    /// What is asked for.
    pub operation: O,
    /// What was offered for it.
    pub offer: Offer,
    /// The same with its lines.
    pub price: Price,
    /// What came in.
    pub presented: PresentedPayment,
}

/// Takes a payment that was not seen before through to its reply.
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
    // Before the facilitator is asked, and before there is a row.
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
        PurchaseOutcome::Worked {
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
        PurchaseOutcome::Known(payment_id) => {
            let told = replay::<O>(app, &presented, &payment_id, progress).await;
            told.unwrap_or_else(|_: PaymentReleased| in_progress().into())
        }
        PurchaseOutcome::Conflict => conflict().into(),
    }
}

/// The facilitator was asked in vain, or left without an outcome; an address that lets this happen too often is put off. What
/// may succeed later, and what failed on our side, is not counted.
fn count_failure(app: &App, presented: &PresentedPayment, reply: &PaymentReply) {
    let in_vain = match reply {
        PaymentReply::NotTaken(_) | PaymentReply::NotSettled(_) | PaymentReply::Held(_) => true,
        PaymentReply::Failed {
            error,
            receipt: None,
        } => {
            let refused = (400..500).contains(&error.code.status()) && error.retry_after.is_none();
            refused || error.code == ErrorCode::PaymentUnresolved
        }
        PaymentReply::Done { .. } | PaymentReply::Failed { .. } => false,
    };
    if in_vain {
        app.failed_payments.count(presented.client);
    }
}

fn count<O: Operation>(reply: &PaymentReply) {
    let outcome = match reply {
        PaymentReply::Done { .. } => "done",
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
