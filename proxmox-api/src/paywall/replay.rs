//! Replays: the same payment sent again for the same request. It gets the first outcome, and what
//! was paid and not delivered is delivered. Price, window and the request's fields are not checked
//! again.

use api_types::ErrorCode;
use tokio::time::timeout;

use super::{
    idempotency_key,
    payer_proof::PayerProof,
    presented_payment::{COPY_TIMEOUT, PresentedPayment, conflict, in_progress, unresolved},
    reply::PaymentReply,
};
use crate::{
    error::ApiError,
    ids::PaymentId,
    payment::{Operation, OperationRequest, RetryPolicy, driver, outcome::PaymentOutcome, owed},
    payment_machine::{PaymentState, Requester},
    progress::Progress,
    state::App,
    store::Payment as Row,
};

/// The payment was released, so that it counts as one that was not seen before.
#[derive(Debug)]
pub(super) struct PaymentReleased;

/// The reply to a payment that was seen before, for the same request.
///
/// # Errors
/// The payment was released meanwhile.
pub(super) async fn replay<O: Operation>(
    app: &App,
    presented: &PresentedPayment,
    payment_id: &PaymentId,
    progress: Progress,
) -> Result<PaymentReply, PaymentReleased> {
    let _guard = match timeout(COPY_TIMEOUT, app.payments_in_work.take(payment_id)).await {
        Ok(Ok(guard)) => guard,
        Ok(Err(error)) => return Ok(ApiError::from(error).into()),
        Err(_) => return Ok(in_progress().into()),
    };
    let row = match app.store.payment(payment_id).await {
        Ok(Some(row)) => row,
        Ok(None) => return Err(PaymentReleased),
        Err(error) => return Ok(ApiError::from(error).into()),
    };
    // While this request waited, the payment may have been released and used for another request.
    if row.digest != presented.digest && row.state != PaymentState::Released {
        return Ok(conflict().into());
    }
    Ok(match row.state {
        PaymentState::Answered => answered::<O>(app, presented, &row).await,
        PaymentState::Settled => settled::<O>(app, presented, row, progress).await,
        PaymentState::Unknown | PaymentState::Settling => {
            let held = O::hold(app, &row.payment_id).await;
            held.map_or_else(|| unresolved(&row.payment_id).into(), PaymentReply::Held)
        }
        PaymentState::Unresolved => unresolved_for_good(&row).into(),
        // With a receipt: without one, a customer could take the 402 for a new challenge.
        PaymentState::Refused => {
            let reason = row.reason.unwrap_or_else(|| "payment_refused".into());
            PaymentReply::NotSettled(presented.refusal(reason))
        }
        PaymentState::Released => return Err(PaymentReleased),
        PaymentState::Reserved | PaymentState::Verified => in_progress().into(),
    })
}

async fn answered<O: Operation>(
    app: &App,
    presented: &PresentedPayment,
    row: &Row,
) -> PaymentReply {
    match owed::debt_error(app, row).await {
        Ok(None) => {}
        Ok(Some(error)) => return failed(presented, row, error),
        Err(error) => return ApiError::from(error).into(),
    }
    match &row.answer {
        Some(answer) if !answer.body.is_empty() && may_see(presented, row) => PaymentReply::Done {
            answer: O::reveal(app, &row.payment_id, answer.clone()),
            receipt: presented.receipt(row.transaction.as_deref().unwrap_or_default()),
        },
        _ => performed(row).into(),
    }
}

/// Delivers what was paid and not delivered. A request without proof only resumes what the service
/// would do by itself.
async fn settled<O: Operation>(
    app: &App,
    presented: &PresentedPayment,
    row: Row,
    progress: Progress,
) -> PaymentReply {
    let may_see = may_see(presented, &row);
    let requester = if may_see {
        Requester::Payer
    } else {
        Requester::Anyone
    };
    // An operation that is not restored from its row is read from the request again.
    let reads = may_see && O::RETRY != RetryPolicy::Resumed;
    let operation = match reads {
        true => match O::read(app, request_of(presented, &row)).await {
            Ok(operation) => Some(operation),
            Err(error) if owed::is_final(&error) => None,
            Err(error) => return failed(presented, &row, error),
        },
        false => None,
    };
    let kept = row.clone();
    match driver::resume::<O>(app, row, operation, requester, progress).await {
        // A copy without proof caused the delivery; it does not get the answer.
        PaymentOutcome::Done { .. } if !may_see => performed(&kept).into(),
        PaymentOutcome::Elsewhere if !may_see => undelivered(&kept).into(),
        outcome => presented.reply::<O>(app, &kept.payment_id, outcome),
    }
}

fn performed(row: &Row) -> ApiError {
    let message = "This payment was used for this very request, which was performed.";
    replayed(row, message).advise("sign in with the wallet and GET /leases to see what it bought")
}

/// The request with the id of the lease that was paid for, whose number may belong to another lease
/// by now.
fn request_of<'a>(presented: &'a PresentedPayment, row: &'a Row) -> OperationRequest<'a> {
    let request = presented.operation_request();
    OperationRequest {
        lease_id: row.lease_id.as_ref().or(request.lease_id),
        ..request
    }
}

fn failed(presented: &PresentedPayment, row: &Row, error: ApiError) -> PaymentReply {
    let receipt = presented.receipt(row.transaction.as_deref().unwrap_or_default());
    PaymentReply::Failed {
        error,
        receipt: Some(receipt),
    }
}

/// Whether this request may see secrets and cause paid work. A settled signature is public and
/// proves nothing by itself. The payer's session does; so does the key of the first request, if the
/// signer is proven or the signature equals the first one.
fn may_see(presented: &PresentedPayment, row: &Row) -> bool {
    if presented.wallet.as_ref() == Some(&row.payer) {
        return true;
    }
    let same_key =
        idempotency_key::same_secret(row.idempotency_key.as_deref(), presented.key.as_deref());
    same_key && (presented.proof == PayerProof::Payer || same_signature(presented, row))
}

fn same_signature(presented: &PresentedPayment, row: &Row) -> bool {
    let stored: Option<x402::facilitator::FacilitatorRequest> =
        serde_json::from_str(&row.request.0).ok();
    stored.is_some_and(|stored| {
        let stored = &stored.payment_payload.exact().signature;
        stored.eq_ignore_ascii_case(&presented.payment.exact().signature)
    })
}

/// The error of a replay, with public data only: everybody can read the signature on the chain.
fn replayed(row: &Row, message: &str) -> ApiError {
    let mut error = ApiError::new(ErrorCode::PaymentReplayed, message)
        .with("paymentId", row.payment_id.as_str())
        .with("state", "settled");
    if let Some(transaction) = &row.transaction {
        error = error.with("transaction", transaction.as_str());
    }
    if let Some(lease) = &row.lease_id {
        error = error.with("leaseId", lease.as_str());
    }
    error
}

/// The payment was settled and not delivered, and this request does not prove that it comes from
/// the payer.
fn undelivered(row: &Row) -> ApiError {
    let message = "This payment was settled and its call was not performed yet. Do not pay again.";
    replayed(row, message)
        .with("delivered", false)
        .advise("send it again with the Idempotency-Key of the first request, or signed in with the wallet")
        .advise("what is not asked for so is owed to the payer after ten minutes: GET /payments")
}

/// Nothing shows whether the money moved.
fn unresolved_for_good(row: &Row) -> ApiError {
    let message = "It could not be found out whether this payment moved money; the operator decides. Do not pay again.";
    let error = ApiError::new(ErrorCode::PaymentUnresolved, message)
        .retry_after(3600)
        .with("paymentId", row.payment_id.as_str())
        .with("state", "unresolved")
        .advise("see GET /payments, or ask the operator, naming the paymentId");
    match &row.lease_id {
        Some(lease) => error.with("leaseId", lease.as_str()),
        None => error,
    }
}
