//! A request with a payment, and its way to a reply: bought where the payment was not seen before, told again where it was.

use api_types::{ErrorCode, Price};
use x402::offer::Offer;

use super::{
    presented::{Presented, conflict, in_progress},
    proof::Proof,
    replay::{GivenBack, replay},
    reply::Reply,
};
use crate::{
    payment::{
        Operation,
        outcome::Outcome,
        purchase::{Bought, Purchase, buy},
    },
    progress::Progress,
    state::App,
};

/// A request whose payment is good as far as that can be said here.
pub struct Entry<O> {
    /// What is asked for.
    pub operation: O,
    /// What was offered for it.
    pub offer: Offer,
    /// The same with its lines.
    pub price: Price,
    /// What came in.
    pub presented: Presented,
}

/// Takes a payment that was not seen before through to its reply.
pub async fn process<O: Operation>(app: &App, entry: Entry<O>, progress: Progress) -> Reply {
    let mut presented = entry.presented;
    let locked = match presented.lock(app).await {
        Ok(locked) => locked,
        Err(error) => return error.into(),
    };
    // Before the facilitator is asked, and before there is a row.
    if let Err(error) = app.failed_payments.check(presented.client) {
        return error.into();
    }
    let purchase = Purchase {
        operation: entry.operation,
        offer: entry.offer,
        price: entry.price,
        payment: presented.payment.clone(),
        is_proven: presented.proof == Proof::Payer,
        digest: presented.digest.clone(),
        key: presented.key.clone(),
        client: presented.client,
    };
    match buy(app, purchase, locked, progress.clone()).await {
        Bought::Worked {
            payment_id,
            outcome,
        } => {
            let reply = presented.reply::<O>(app, &payment_id, outcome);
            count::<O>(&reply);
            count_failure(app, &presented, &reply);
            reply
        }
        Bought::Declined(outcome) => {
            let reply = match outcome {
                Outcome::NotTaken(reason) => Reply::NotTaken(reason),
                Outcome::Failed(error) => error.into(),
                _ => in_progress().into(),
            };
            count_failure(app, &presented, &reply);
            reply
        }
        Bought::Known(payment_id) => {
            let told = replay::<O>(app, &presented, &payment_id, progress).await;
            told.unwrap_or_else(|_: GivenBack| in_progress().into())
        }
        Bought::Conflict => conflict().into(),
    }
}

/// The facilitator was asked in vain, or left without an outcome; an address that lets this happen too often is put off. What
/// may succeed later, and what failed on our side, is not counted.
fn count_failure(app: &App, presented: &Presented, reply: &Reply) {
    let in_vain = match reply {
        Reply::NotTaken(_) | Reply::NotSettled(_) | Reply::Held(_) => true,
        Reply::Failed {
            error,
            receipt: None,
        } => {
            let refused = (400..500).contains(&error.code.status()) && error.retry_after.is_none();
            refused || error.code == ErrorCode::PaymentUnresolved
        }
        Reply::Done { .. } | Reply::Failed { .. } => false,
    };
    if in_vain {
        app.failed_payments.count(presented.client);
    }
}

fn count<O: Operation>(reply: &Reply) {
    let outcome = match reply {
        Reply::Done { .. } => "done",
        Reply::Held(_) => "held",
        Reply::NotTaken(_) => "not_taken",
        Reply::NotSettled(_) => "not_settled",
        Reply::Failed {
            receipt: Some(_), ..
        } => "paid_not_delivered",
        Reply::Failed { .. } => "failed",
    };
    metrics::counter!("payments_total", "operation" => O::NAME, "outcome" => outcome).increment(1);
}
