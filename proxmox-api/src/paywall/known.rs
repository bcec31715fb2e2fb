//! A payment that was seen before, for the same request: its outcome is told, and what was paid for and not had is delivered.

use api_types::ErrorCode;
use tokio::time::timeout;
use x402::reason::Reason;

use super::{
    Operation, Paid,
    process::{Entry, PATIENCE, in_progress, job},
    progress::Progress,
    reply::Reply,
    settle::{finish, unresolved},
};
use crate::{
    error::ApiError,
    state::App,
    store::{Payment as Row, PaymentState},
};

/// A payment that was seen before, for the same request.
pub(super) async fn known<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    payment_id: &str,
    progress: Progress,
) -> Reply {
    let _turn = match timeout(PATIENCE, app.payments_in_work.take(payment_id)).await {
        Ok(Ok(turn)) => turn,
        Ok(Err(error)) => return ApiError::from(error).into(),
        Err(_) => return in_progress().into(),
    };
    let row = match app.store.payment(payment_id).await {
        Ok(Some(row)) => row,
        Ok(None) => return in_progress().into(),
        Err(error) => return ApiError::from(error).into(),
    };
    let transaction = row.transaction.clone().unwrap_or_default();
    match row.state {
        PaymentState::Answered => match &row.answer {
            Some(answer) if entry.may_see(&row) => Reply::Done {
                answer: entry.operation.reveal(app, payment_id, answer.clone()),
                receipt: entry.receipt(&transaction),
            },
            _ => replayed(&row).into(),
        },
        PaymentState::Settled => {
            let paid = Paid {
                transaction,
                network: row.network.clone(),
            };
            // What was begun for the first copy is gone on with; what leaves nothing behind is done for this one.
            let begun = O::resume(app, &row).await;
            let operation = begun.as_ref().unwrap_or(&entry.operation);
            let job = job(entry, row.payment_id.clone(), progress);
            finish(app, entry, operation, &job, &paid).await
        }
        PaymentState::Unknown | PaymentState::Settling => {
            let job = job(entry, row.payment_id.clone(), progress);
            let held = entry.operation.hold(app, &job).await;
            held.map_or_else(|| unresolved(&row.payment_id).into(), Reply::Held)
        }
        PaymentState::Refused => Reply::NotTaken(Reason {
            code: row
                .reason
                .unwrap_or_else(|| "payment_refused".into())
                .into(),
            message: "this payment was refused before".into(),
        }),
        PaymentState::Released | PaymentState::Reserved | PaymentState::Verified => {
            in_progress().into()
        }
    }
}

/// Only what is public anyway: the signature is readable on the chain.
fn replayed(row: &Row) -> ApiError {
    let message = "This payment was used for this very request, which was performed.";
    let mut error = ApiError::new(ErrorCode::PaymentReplayed, message)
        .with("paymentId", row.payment_id.as_str())
        .with("state", "settled")
        .advise("sign in with the wallet and GET /leases to see what it bought");
    if let Some(transaction) = &row.transaction {
        error = error.with("transaction", transaction.as_str());
    }
    if let Some(lease) = &row.lease_id {
        error = error.with("leaseId", lease.as_str());
    }
    error
}
