//! A payment's way from reservation to answer. Every step is a row before the side effect that it announces, and one
//! payment is worked for by one task at a time, so that copies of a request wait for the first and then see what it left.

use std::time::{Duration, Instant};

use api_types::{ErrorCode, Price};
use serde_json::json;
use service::crypto;
use tokio::time::timeout;
use x402::{
    facilitator::{FacilitatorError, FacilitatorRequest, Settlement, Verification},
    offer::Offer,
    payment::Payment,
    reason::Reason,
    wire::{Rest, receipt::Receipt},
};

use super::{Flow, Job, Operation, Paid, follow, progress::Progress, reply::Reply};
use crate::{
    error::ApiError,
    state::App,
    store::{NewPayment, Payment as Row, PaymentState, Reservation, SignedRequest},
};

/// How long a copy waits for the request that came first. A container takes up to half a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// A request whose payment is good as far as that can be said here.
pub struct Entry<O> {
    /// What is asked for.
    pub operation: O,
    /// What was offered for it.
    pub offer: Offer,
    /// The same with its lines.
    pub price: Price,
    /// What came in.
    pub payment: Payment,
    /// Of method, path and body.
    pub digest: String,
    /// The client's own id of this request.
    pub key: Option<String>,
    /// The wallet that the request is signed in as, if it is.
    pub wallet: Option<String>,
    /// Path of the request, for the answer to a held payment.
    pub path: String,
}

impl<O> Entry<O> {
    fn payer(&self) -> String {
        self.payment.payer().to_string().to_lowercase()
    }

    /// Whether the stored answer, secrets included, may be given again: a settled signature is public, so it proves nothing.
    fn may_see(&self, row: &Row) -> bool {
        let same_key = row.idempotency_key.is_some() && row.idempotency_key == self.key;
        same_key || self.wallet.as_deref() == Some(row.payer.as_str())
    }

    fn receipt(&self, transaction: &str) -> Receipt {
        receipt(&self.payment, transaction)
    }
}

/// A receipt in the words of the payment's version.
pub fn receipt(payment: &Payment, transaction: &str) -> Receipt {
    Receipt {
        success: true,
        error_reason: None,
        transaction: transaction.to_owned(),
        network: payment.network().to_owned(),
        payer: Some(payment.payer().to_checksum(None)),
        rest: Rest::new(),
    }
}

/// Takes a payment through to its reply.
pub async fn process<O: Operation>(app: &App, entry: Entry<O>, progress: Progress) -> Reply {
    let authorization = entry.payment.authorization();
    let name = format!("{}:{}", entry.payer(), authorization.nonce);
    let Ok(_turn) = timeout(PATIENCE, app.payments_in_work.take(&name)).await else {
        return in_progress().into();
    };
    let request = match entry.offer.facilitator_request(&entry.payment) {
        Ok(request) => request,
        Err(reason) => return Reply::NotTaken(reason),
    };
    let reserved = match new_payment(&entry, &request) {
        Ok(payment) => app.store.reserve(payment, app.now()).await,
        Err(error) => return error.into(),
    };
    match reserved {
        Ok(Reservation::Reserved { payment_id }) => {
            let _turn = app.payments_in_work.take(&payment_id).await;
            let job = job(&entry, payment_id, progress);
            let reply = fresh(app, &entry, &job, &request).await;
            count::<O>(&reply);
            reply
        }
        Ok(Reservation::Replay { payment_id, .. } | Reservation::Known { payment_id, .. }) => {
            known(app, &entry, &payment_id, progress).await
        }
        Ok(Reservation::Conflict) => {
            let message = "This payment, or this Idempotency-Key, belongs to another request.";
            ApiError::new(ErrorCode::PaymentReplayed, message)
                .advise("sign a new payment for this request")
                .into()
        }
        Err(error) => ApiError::from(error).into(),
    }
}

fn new_payment<O: Operation>(
    entry: &Entry<O>,
    request: &FacilitatorRequest,
) -> Result<NewPayment, ApiError> {
    let authorization = entry.payment.authorization();
    let text = serde_json::to_string(request).map_err(|error| {
        tracing::error!(%error, "a payment cannot be written down");
        ApiError::new(ErrorCode::Internal, "The payment cannot be stored.")
    })?;
    Ok(NewPayment {
        payment_id: format!("pay_{}", crypto::random_hex(12)),
        network: entry.offer.network.caip2.to_owned(),
        asset: entry.offer.network.usdc.address.to_string(),
        payer: entry.payer(),
        nonce: authorization.nonce.to_string(),
        digest: entry.digest.clone(),
        idempotency_key: entry.key.clone(),
        // What is signed is what moves: version 1 may sign for more than the price.
        amount: u64::try_from(authorization.value).unwrap_or(entry.offer.amount),
        pay_to: entry.offer.pay_to.to_string(),
        valid_before: valid_before(&entry.payment),
        request: SignedRequest(text),
        operation: O::NAME.to_owned(),
        arguments: arguments(entry),
        lease_id: entry.operation.lease_id(),
    })
}

/// With the price and its lines, which the answer shows and a restart would not find again.
fn arguments<O: Operation>(entry: &Entry<O>) -> String {
    let mut arguments = entry.operation.arguments();
    arguments["price"] = json!(entry.price);
    arguments.to_string()
}

fn valid_before(payment: &Payment) -> i64 {
    i64::try_from(payment.authorization().valid_before).unwrap_or(i64::MAX)
}

fn job<O>(entry: &Entry<O>, payment_id: String, progress: Progress) -> Job {
    Job {
        payment_id,
        payer: entry.payer(),
        price: entry.price.clone(),
        valid_before: valid_before(&entry.payment),
        progress,
    }
}

fn in_progress() -> ApiError {
    let message = "The same payment is being worked on at this moment.";
    ApiError::new(ErrorCode::PaymentInProgress, message)
        .retry_after(2)
        .advise("send the same signed request again to learn its outcome")
}

/// A reservation that is ours.
async fn fresh<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    job: &Job,
    request: &FacilitatorRequest,
) -> Reply {
    let id = &job.payment_id;
    if let Err(reply) = verify(app, entry, request).await {
        release(app, id, reason_of(&reply)).await;
        return reply;
    }
    if O::FLOW == Flow::DeliverThenSettle
        && let Err(error) = app.store.mark_verified(id, app.now()).await
    {
        return ApiError::from(error).into();
    }
    if let Err(error) = entry.operation.admit(app, job).await {
        release(app, id, error.code.as_str()).await;
        return error.into();
    }
    if let Err(error) = entry.operation.prepare(app, job).await {
        entry.operation.undo(app, job).await;
        release(app, id, error.code.as_str()).await;
        return error.into();
    }
    settle(app, entry, job, request).await
}

async fn verify<O>(app: &App, entry: &Entry<O>, request: &FacilitatorRequest) -> Result<(), Reply> {
    match app.facilitator.verify(request).await {
        Ok(Verification::Valid { payer }) => match payer {
            Some(payer) if payer != entry.payment.payer() => Err(Reply::NotTaken(Reason::new(
                x402::reason::code::SIGNATURE,
                "the facilitator found another payer",
            ))),
            _ => Ok(()),
        },
        Ok(Verification::Invalid { reason, message }) => Err(Reply::NotTaken(Reason {
            code: reason.into(),
            message: message.unwrap_or_default(),
        })),
        Err(error) => {
            tracing::warn!(%error, "the facilitator gave no decision");
            let wait = match error {
                FacilitatorError::RateLimited { retry_after } => retry_after.unwrap_or(5).min(300),
                _ => 5,
            };
            let message = "The payment cannot be checked just now; nothing was charged.";
            Err(ApiError::new(ErrorCode::FacilitatorUnavailable, message)
                .retry_after(wait)
                .advise("send the same signed request again")
                .into())
        }
    }
}

fn reason_of(reply: &Reply) -> &str {
    match reply {
        Reply::NotTaken(reason) => &reason.code,
        Reply::Failed { error, .. } => error.code.as_str(),
        _ => "not verified",
    }
}

async fn release(app: &App, payment_id: &str, reason: &str) {
    if let Err(error) = app.store.mark_released(payment_id, reason, app.now()).await {
        tracing::error!(%error, payment.id = payment_id, "a reservation cannot be released");
    }
}

async fn settle<O: Operation>(
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
        Settlement::Settled(found) => {
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
        Settlement::Unknown {
            reason,
            transaction,
        } => {
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
    }
}

/// Never a 402: the money may have moved.
fn unresolved(payment_id: &str) -> ApiError {
    let message = "It is not known yet whether the payment moved money. Do not sign another one.";
    ApiError::new(ErrorCode::PaymentUnresolved, message)
        .retry_after(5)
        .with("paymentId", payment_id)
        .with("statusUrl", "/payments")
        .advise("send the same signed request again to learn its outcome")
}

/// The money moved: delivers and stores the answer.
async fn finish<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    operation: &O,
    job: &Job,
    paid: &Paid,
) -> Reply {
    let receipt = entry.receipt(&paid.transaction);
    match deliver(app, operation, job, paid).await {
        Ok(answer) => Reply::Done { answer, receipt },
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
) -> Result<crate::store::Answer, ApiError> {
    let answer = operation.deliver(app, job, paid).await?;
    // False where the operation has stored it with its own change.
    app.store
        .mark_answered(&job.payment_id, answer.clone())
        .await?;
    Ok(answer)
}

/// A payment that was seen before, for the same request.
async fn known<O: Operation>(
    app: &App,
    entry: &Entry<O>,
    payment_id: &str,
    progress: Progress,
) -> Reply {
    let Ok(_turn) = timeout(PATIENCE, app.payments_in_work.take(payment_id)).await else {
        return in_progress().into();
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
                answer: answer.clone(),
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
