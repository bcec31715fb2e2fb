//! A payment's way from reservation to answer. Every step is a row before the side effect that it announces, and one
//! payment is worked for by one task at a time, so that copies of a request wait for the first and then see what it left.

use std::{net::IpAddr, time::Duration};

use api_types::{ErrorCode, Price};
use serde_json::json;
use service::crypto;
use tokio::time::timeout;
use x402::{
    facilitator::{FacilitatorError, FacilitatorRequest, Verification},
    offer::Offer,
    payment::Payment,
    reason::Reason,
    wire::{Rest, receipt::Receipt},
};

use super::{Flow, Job, Operation, known::known, progress::Progress, reply::Reply, settle::settle};
use crate::{
    error::ApiError,
    state::App,
    store::{NewPayment, Payment as Row, Reservation, SignedRequest},
};

/// How long a copy waits for the request that came first. A container takes up to half a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

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
    /// Where the request came from, where that is known.
    pub client: Option<IpAddr>,
    /// Path of the request, for the answer to a held payment.
    pub path: String,
}

impl<O> Entry<O> {
    fn payer(&self) -> String {
        self.payment.payer().to_string().to_lowercase()
    }

    /// Whether the stored answer, secrets included, may be given again: a settled signature is public, so it proves nothing.
    pub(super) fn may_see(&self, row: &Row) -> bool {
        let same_key = row.idempotency_key.is_some() && row.idempotency_key == self.key;
        same_key || self.wallet.as_deref() == Some(row.payer.as_str())
    }

    pub(super) fn receipt(&self, transaction: &str) -> Receipt {
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

/// What a signature is called among the turns, before it has a row and afterwards.
pub(super) fn signature_name(payer: &str, nonce: &str) -> String {
    format!("{payer}:{nonce}")
}

/// Takes a payment through to its reply.
pub async fn process<O: Operation>(app: &App, entry: Entry<O>, progress: Progress) -> Reply {
    let authorization = entry.payment.authorization();
    let name = signature_name(&entry.payer(), &authorization.nonce.to_string());
    let _turn = match timeout(PATIENCE, app.payments_in_work.take(&name)).await {
        Ok(Ok(turn)) => turn,
        Ok(Err(error)) => return ApiError::from(error).into(),
        Err(_) => return in_progress().into(),
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
            let _turn = match app.payments_in_work.take(&payment_id).await {
                Ok(turn) => turn,
                Err(error) => return ApiError::from(error).into(),
            };
            let job = job(&entry, payment_id, progress);
            let reply = fresh(app, &entry, &job, &request).await;
            count::<O>(&reply);
            if matches!(reply, Reply::NotTaken(_) | Reply::NotSettled(_)) {
                app.failed_payments.count(entry.client);
            }
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

pub(super) fn job<O>(entry: &Entry<O>, payment_id: String, progress: Progress) -> Job {
    Job {
        payment_id,
        payer: entry.payer(),
        client: entry.client,
        price: entry.price.clone(),
        valid_before: valid_before(&entry.payment),
        progress,
    }
}

pub(super) fn in_progress() -> ApiError {
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
    if let Err(error) = app.failed_payments.check(job.client) {
        release(app, id, error.code.as_str()).await;
        return error.into();
    }
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
