//! Lets the money move, and acts on what is said of it: delivers, undoes, or holds.

use std::time::Instant;

use api_types::ErrorCode;
use serde_json::json;
use x402::{
    facilitator::{FacilitatorRequest, Settlement, TransferEvidence, onchain::Evidence},
    wire::receipt::Receipt,
};

use super::{
    Job, Operation, Paid, follow,
    operation::Repeat,
    owed,
    process::{Entry, Presented, in_progress},
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
            // The row may say `settling`, and its follower will then settle: nothing may be undone here.
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
        Settlement::Settled { receipt, evidence } => {
            settled(app, entry, job, transfer_of(&receipt, evidence)).await
        }
        Settlement::Refused { reason, message } => {
            match moved_all_the_same(app, job, request).await {
                Ok(None) => refused(app, entry, job, reason, message).await,
                Ok(Some(transfer)) => settled(app, entry, job, transfer).await,
                Err(()) => unknown::<O>(app, job, &reason, None).await,
            }
        }
        Settlement::Unsent {
            reason,
            retry_after,
        } => unsent(app, entry, job, &reason, retry_after).await,
        Settlement::Unknown {
            reason,
            transaction,
        } => unknown::<O>(app, job, &reason, transaction).await,
    }
}

/// What a settlement says of its transfer; the transaction's hash alone where no chain was read.
pub(super) fn transfer_of(
    receipt: &Receipt,
    evidence: Option<TransferEvidence>,
) -> TransferEvidence {
    evidence.unwrap_or_else(|| TransferEvidence {
        transaction: receipt.transaction.clone(),
        log_index: None,
        block: None,
    })
}

/// A refusal says that this request moved nothing. Where a chain can be asked, it is: anybody who has seen the
/// authorization can have sent it since it was verified.
///
/// # Errors
/// The chain did not answer, or has no word yet.
async fn moved_all_the_same(
    app: &App,
    job: &Job,
    request: &FacilitatorRequest,
) -> Result<Option<TransferEvidence>, ()> {
    let Some(witness) = &app.witness else {
        return Ok(None);
    };
    let first_seen = job.first_seen.unsigned_abs();
    match witness.look(request, first_seen).await {
        Ok(Evidence::Moved(transfer)) => Ok(Some(transfer)),
        Ok(Evidence::NotFound) => Err(()),
        Ok(_) => Ok(None),
        Err(error) => {
            tracing::warn!(%error, payment.id = job.payment_id, "a refusal cannot be compared with the chain");
            Err(())
        }
    }
}

async fn settled<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    job: &Job,
    transfer: TransferEvidence,
) -> Reply {
    let id = &job.payment_id;
    let paid = Paid {
        transaction: transfer.transaction.clone(),
        network: entry.offer.network.caip2.to_owned(),
    };
    match app.store.mark_settled(id, transfer, app.now()).await {
        Ok(_) => finish(app, &entry.presented, &entry.operation, job, &paid).await,
        Err(error) => {
            // The money moved and the row does not say so: the follower finds out by asking again.
            follow::start::<O>(app, id);
            ApiError::from(error).into()
        }
    }
}

async fn refused<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    job: &Job,
    reason: String,
    message: Option<String>,
) -> Reply {
    let id = &job.payment_id;
    tracing::info!(payment.id = id, reason, message, "settlement refused");
    match app.store.mark_refused(id, &reason, app.now()).await {
        Ok(true) => {}
        // Another replica has found out more meanwhile.
        Ok(false) => return in_progress().into(),
        Err(error) => {
            // Nothing is undone while the row does not say why: the follower or the sweep decides.
            follow::start::<O>(app, id);
            return ApiError::from(error).into();
        }
    }
    entry.operation.undo(app, job).await;
    app.note(id, "payment_refused", json!({ "reason": reason }))
        .await;
    Reply::NotSettled(Receipt {
        success: false,
        error_reason: Some(reason),
        ..entry.presented.receipt("")
    })
}

/// Surely nothing was sent, and this was the first settlement of the payment: it is given back.
async fn unsent<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    job: &Job,
    reason: &str,
    retry_after: Option<u64>,
) -> Reply {
    let id = &job.payment_id;
    tracing::error!(
        payment.id = id,
        reason,
        "a settlement could not be sent; nothing was charged"
    );
    match app.store.mark_unsent(id, reason, app.now()).await {
        Ok(true) => {}
        Ok(false) => return in_progress().into(),
        Err(error) => {
            follow::start::<O>(app, id);
            return ApiError::from(error).into();
        }
    }
    entry.operation.undo(app, job).await;
    let message = "The payment cannot be settled just now; nothing was charged.";
    ApiError::new(ErrorCode::FacilitatorUnavailable, message)
        .retry_after(retry_after.unwrap_or(30).min(3600))
        .advise("send the same signed request again")
        .into()
}

/// What was made is held until the outcome is known.
async fn unknown<O: Operation>(
    app: &App,
    job: &Job,
    reason: &str,
    transaction: Option<String>,
) -> Reply {
    let id = &job.payment_id;
    tracing::warn!(
        payment.id = id,
        reason,
        "it is not known whether the money moved"
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
    let held = O::hold(app, id).await;
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

/// The money moved: delivers and stores the answer, or ends the payment as owed where that can never succeed.
pub(super) async fn finish<O: Operation>(
    app: &App,
    presented: &Presented,
    operation: &O,
    job: &Job,
    paid: &Paid,
) -> Reply {
    let receipt = presented.receipt(&paid.transaction);
    let error = match deliver(app, operation, job, paid).await {
        Ok(answer) => {
            return Reply::Done {
                answer: O::reveal(app, &job.payment_id, answer),
                receipt,
            };
        }
        Err(error) => error,
    };
    let error = match ends_owed::<O>(app, job, &error).await {
        Ok(Some(owed)) => owed,
        Ok(None) => error
            .with("paymentId", job.payment_id.as_str())
            .with("transaction", paid.transaction.as_str())
            .advise("the payment stays good: send the same signed request again, with its Idempotency-Key"),
        Err(error) => ApiError::from(error),
    };
    Reply::Failed {
        error,
        receipt: Some(receipt),
    }
}

/// Ends a payment as owed if its delivery failed for good.
///
/// # Errors
/// The store failed.
pub(super) async fn ends_owed<O: Operation>(
    app: &App,
    job: &Job,
    error: &ApiError,
) -> Result<Option<ApiError>, crate::store::StoreError> {
    let id = &job.payment_id;
    if owed::is_final(error) {
        return owed::owe(app, id, owed::reason::LEASE_ENDED)
            .await
            .map(Some);
    }
    if O::REPEAT == Repeat::Once {
        let row = app.store.payment(id).await?;
        if row.is_some_and(|row| row.performed_at.is_some()) {
            return owed::owe(app, id, owed::reason::MAY_HAVE_RUN)
                .await
                .map(Some);
        }
    }
    Ok(None)
}

/// Delivers and stores the answer, under the payment's lock.
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
