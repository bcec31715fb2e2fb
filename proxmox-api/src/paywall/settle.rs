//! Lets the money move, and acts on what is said of it: delivers, undoes, or holds.

use std::time::Instant;

use api_types::ErrorCode;
use serde_json::json;
use x402::{
    facilitator::{FacilitatorRequest, Settlement},
    wire::receipt::Receipt,
};

use super::{
    Job, Operation, Paid, follow,
    process::{Entry, in_progress},
    reply::Reply,
};
use crate::{error::ApiError, state::App, store::Answer};

/// Settles for what was prepared, or for what is done afterwards.
pub(super) async fn settle<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    job: &Job,
    request: &FacilitatorRequest,
) -> Reply {
    let id = &job.payment_id;
    match app.store.mark_settling(id, app.now()).await {
        Ok(true) => {}
        Ok(false) => {
            entry.operation.undo(app, job).await;
            return in_progress().into();
        }
        Err(error) if error.may_have_been_made() => {
            // The row may say `settling`, and whoever follows it will then settle: nothing may be taken back here.
            follow::start::<O>(app, id);
            return ApiError::from(error).into();
        }
        Err(error) => {
            entry.operation.undo(app, job).await;
            return ApiError::from(error).into();
        }
    }
    job.progress.step("settling");
    let start = Instant::now();
    let settlement = app.facilitator.settle(request).await;
    metrics::histogram!("settlement_seconds").record(start.elapsed().as_secs_f64());
    match settlement {
        Settlement::Settled { receipt: found, .. } => {
            let paid = Paid {
                transaction: found.transaction,
                network: entry.offer.network.caip2.to_owned(),
            };
            match app
                .store
                .mark_settled(id, &paid.transaction, app.now())
                .await
            {
                Ok(_) => finish(app, entry, &entry.operation, job, &paid).await,
                Err(error) => {
                    // The money moved and the row does not say so: the follower finds out by asking again.
                    follow::start::<O>(app, id);
                    ApiError::from(error).into()
                }
            }
        }
        Settlement::Refused { reason, message } => {
            tracing::info!(payment.id = id, reason, message, "settlement refused");
            if let Err(error) = app.store.mark_refused(id, &reason, app.now()).await {
                return ApiError::from(error).into();
            }
            entry.operation.undo(app, job).await;
            app.note(id, "payment_refused", json!({ "reason": reason }))
                .await;
            Reply::NotSettled(Receipt {
                success: false,
                error_reason: Some(reason),
                ..entry.receipt("")
            })
        }
        // A payment that is settling cannot be released yet, so it is held.
        Settlement::Unsent { reason, .. } => unknown(app, entry, job, &reason, None).await,
        Settlement::Unknown {
            reason,
            transaction,
        } => unknown(app, entry, job, &reason, transaction).await,
    }
}

/// Holds what was made until the outcome is known.
async fn unknown<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    job: &Job,
    reason: &str,
    transaction: Option<String>,
) -> Reply {
    let id = &job.payment_id;
    tracing::warn!(
        payment.id = id,
        reason,
        "nobody knows whether the money moved"
    );
    let kept = app
        .store
        .mark_unknown(id, transaction.as_deref(), app.now())
        .await;
    if let Err(error) = kept {
        tracing::error!(%error, payment.id = id, "an unknown outcome cannot be written down");
    }
    app.note(id, "payment_unknown", json!({ "transaction": transaction }))
        .await;
    let held = entry.operation.hold(app, job).await;
    follow::start::<O>(app, id);
    held.map_or_else(|| unresolved(id).into(), Reply::Held)
}

/// Never a 402: the money may have moved.
pub(super) fn unresolved(payment_id: &str) -> ApiError {
    let message = "It is not known yet whether the payment moved money. Do not sign another one.";
    ApiError::new(ErrorCode::PaymentUnresolved, message)
        .retry_after(5)
        .with("paymentId", payment_id)
        .with("statusUrl", "/payments")
        .advise("send the same signed request again to learn its outcome")
}

/// The money moved: delivers and stores the answer.
pub(super) async fn finish<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    operation: &O,
    job: &Job,
    paid: &Paid,
) -> Reply {
    let receipt = entry.receipt(&paid.transaction);
    match deliver(app, operation, job, paid).await {
        Ok(answer) => Reply::Done {
            answer: operation.reveal(app, &job.payment_id, answer),
            receipt,
        },
        Err(error) => Reply::Failed {
            error: error
                .with("paymentId", job.payment_id.as_str())
                .with("transaction", paid.transaction.as_str())
                .advise("the payment stays good: send the same signed request again"),
            receipt: Some(receipt),
        },
    }
}

/// Delivers and stores the answer, for whoever holds the payment's turn.
pub(super) async fn deliver<O: Operation>(
    app: &App,
    operation: &O,
    job: &Job,
    paid: &Paid,
) -> Result<Answer, ApiError> {
    let answer = operation.deliver(app, job, paid).await?;
    // False where the operation has stored it with its own change.
    app.store
        .mark_answered(&job.payment_id, answer.clone())
        .await?;
    Ok(answer)
}
