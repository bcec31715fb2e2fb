//! A payment's way from reservation to answer. Every step is a row before the side effect that it announces, and one
//! payment is worked for by one task at a time, so that copies of a request wait for the first and then see what it left.

use std::{net::IpAddr, time::Duration};

use api_types::{ErrorCode, Price};
use bytes::Bytes;
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

use super::{
    Call, Flow, Job, Operation,
    progress::Progress,
    proof::Proof,
    replay::{GivenBack, replay},
    reply::Reply,
    settle::settle,
};
use crate::{
    error::ApiError,
    locks::Turn,
    state::App,
    store::{NewPayment, Reservation, SignedRequest},
};

/// How long a copy waits for the request that came first. A container takes up to half a minute.
pub(super) const WAIT_FOR_COPY: Duration = Duration::from_secs(90);

/// A request with a payment, before the payment's terms are known to fit.
pub struct Presented {
    /// What came in.
    pub payment: Payment,
    /// Whether the payer is proven.
    pub proof: Proof,
    /// Of method, path and body.
    pub digest: String,
    /// The client's own id of this request.
    pub key: Option<String>,
    /// The wallet that the request is signed in as, if it is.
    pub wallet: Option<String>,
    /// The customer's address, where it is known.
    pub client: Option<IpAddr>,
    /// Path of the request.
    pub path: String,
    /// The `{ctid}` of the path, where the route has one.
    pub ctid: Option<String>,
    /// The `leaseId` of the query.
    pub lease_id: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Presented {
    pub(super) fn call(&self) -> Call<'_> {
        Call {
            ctid: self.ctid.as_deref(),
            lease_id: self.lease_id.as_deref(),
            body: &self.body,
        }
    }

    /// The lock of this signature, which is held from before its row is there.
    ///
    /// # Errors
    /// The first request takes too long, or the database that replicas share cannot be reached.
    pub(super) async fn lock(&self, app: &App) -> Result<Turn, ApiError> {
        let nonce = self.payment.authorization().nonce.to_string();
        let name = signature_name(&self.payer(), &nonce);
        match timeout(WAIT_FOR_COPY, app.payments_in_work.take(&name)).await {
            Ok(turn) => Ok(turn?),
            Err(_) => Err(in_progress()),
        }
    }

    pub(super) fn payer(&self) -> String {
        self.payment.payer().to_string().to_lowercase()
    }

    pub(super) fn receipt(&self, transaction: &str) -> Receipt {
        receipt(&self.payment, transaction)
    }
}

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

/// Takes a payment that was not seen before through to its reply.
pub async fn process<O: Operation>(app: &App, entry: Entry<O>, progress: Progress) -> Reply {
    let presented = &entry.presented;
    let _turn = match presented.lock(app).await {
        Ok(turn) => turn,
        Err(error) => return error.into(),
    };
    let request = match entry.offer.facilitator_request(&presented.payment) {
        Ok(request) => request,
        Err(reason) => return Reply::NotTaken(reason),
    };
    // Before the facilitator is asked, and before there is a row.
    if let Err(error) = app.failed_payments.check(presented.client) {
        return error.into();
    }
    // Nothing is stored under a name that is not proven.
    if presented.proof == Proof::Unproven
        && let Err(reply) = verify(app, presented, &request).await
    {
        count_failure(app, presented, &reply);
        return reply;
    }
    let payment = match new_payment(&entry, &request) {
        Ok(payment) => payment,
        Err(error) => return error.into(),
    };
    // Before the row is there: a copy that finds it by its key then waits.
    let new_id = payment.payment_id.clone();
    let own = match app.payments_in_work.take(&new_id).await {
        Ok(turn) => turn,
        Err(error) => return ApiError::from(error).into(),
    };
    let reserved = app.store.reserve(payment, app.now()).await;
    match reserved {
        Ok(Reservation::Reserved { payment_id }) => {
            // A row that was given back keeps its id.
            let turn = if payment_id == new_id {
                Ok(own)
            } else {
                app.payments_in_work.take(&payment_id).await
            };
            let _turn = match turn {
                Ok(turn) => turn,
                Err(error) => return ApiError::from(error).into(),
            };
            let job = job(&entry, payment_id, app.now(), progress);
            let reply = fresh(app, &entry, &job, &request).await;
            count::<O>(&reply);
            count_failure(app, presented, &reply);
            reply
        }
        Ok(Reservation::Known { payment_id }) => {
            let told = replay::<O>(app, presented, &payment_id, progress).await;
            told.unwrap_or_else(|_: GivenBack| in_progress().into())
        }
        Ok(Reservation::Conflict) => conflict().into(),
        Err(error) => ApiError::from(error).into(),
    }
}

/// The payment, or the key, is another request's.
pub(super) fn conflict() -> ApiError {
    let message = "This payment, or this Idempotency-Key, belongs to another request.";
    ApiError::new(ErrorCode::PaymentReplayed, message).advise("sign in and GET /leases to see what it bought; for another purchase take a new key and sign a new payment")
}

fn new_payment<O: Operation>(
    entry: &Entry<O>,
    request: &FacilitatorRequest,
) -> Result<NewPayment, ApiError> {
    let presented = &entry.presented;
    let authorization = presented.payment.authorization();
    let text = serde_json::to_string(request).map_err(|error| {
        tracing::error!(%error, "a payment cannot be written down");
        ApiError::new(ErrorCode::Internal, "The payment cannot be stored.")
    })?;
    Ok(NewPayment {
        payment_id: format!("pay_{}", crypto::random_hex(12)),
        network: entry.offer.network.caip2.to_owned(),
        asset: entry.offer.network.usdc.address.to_string(),
        payer: presented.payer(),
        nonce: authorization.nonce.to_string(),
        digest: presented.digest.clone(),
        idempotency_key: presented.key.clone(),
        // What is signed is what moves: version 1 may sign for more than the price.
        amount: u64::try_from(authorization.value).unwrap_or(entry.offer.amount),
        pay_to: entry.offer.pay_to.to_string(),
        valid_before: valid_before(&presented.payment),
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

fn job<O>(entry: &Entry<O>, payment_id: String, now: i64, progress: Progress) -> Job {
    Job {
        payment_id,
        payer: entry.presented.payer(),
        price: entry.price.clone(),
        valid_before: valid_before(&entry.presented.payment),
        client: entry.presented.client,
        first_seen: now,
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
    if entry.presented.proof == Proof::Payer
        && let Err(reply) = verify(app, &entry.presented, request).await
    {
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

async fn verify(
    app: &App,
    presented: &Presented,
    request: &FacilitatorRequest,
) -> Result<(), Reply> {
    match app.facilitator.verify(request).await {
        Ok(Verification::Valid { payer }) => match payer {
            Some(payer) if payer != presented.payment.payer() => Err(Reply::NotTaken(Reason::new(
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
