//! A purchase from credit: its price is held in the commit that inserts its row, and taken in the
//! one that stores its answer. There is no facilitator to ask and nothing whose outcome could stay
//! unknown.

use std::net::IpAddr;

use api_types::Price;
use serde_json::json;

use super::{
    driver::PaymentDriver,
    operation::{Operation, PaymentJob, Progress},
    outcome::PaymentOutcome,
    payment_locks,
};
use crate::{
    ids::{KeyId, PaymentId, Wallet},
    payment_machine::PaymentEvent,
    state::App,
    store::{
        CREDIT_NETWORK, CreditReservation, HoldRefusal, NewPayment, SignedRequest, StoreError,
    },
    tariffs::MAX_TIMEOUT_SECONDS,
};

/// A request that is paid from credit.
pub struct CreditPurchase<O> {
    /// The operation.
    pub operation: O,
    /// Its price from credit.
    pub price: Price,
    /// The wallet whose credit it is.
    pub wallet: Wallet,
    /// The API key that spends it.
    pub key_id: Option<KeyId>,
    /// The digest of method, path and body.
    pub digest: String,
    /// The idempotency key.
    pub key: Option<String>,
    /// The client's address, if it is known.
    pub client: Option<IpAddr>,
}

/// The outcome of such a purchase.
pub enum CreditOutcome {
    /// It was processed, under this id.
    Processed {
        /// The id of the payment.
        payment_id: PaymentId,
        /// The outcome of the payment.
        outcome: PaymentOutcome,
        /// What the wallet can spend besides.
        available: u64,
    },
    /// The same request was seen before, under this id.
    Replay(PaymentId),
    /// The idempotency key belongs to another request.
    Conflict,
    /// Nothing was held.
    Refused(HoldRefusal),
}

/// Processes a purchase, from its hold to its outcome.
///
/// # Errors
/// The store failed; nothing was held.
pub async fn buy<O: Operation>(
    app: &App,
    purchase: CreditPurchase<O>,
    progress: Progress,
) -> Result<CreditOutcome, StoreError> {
    let now = app.now();
    let payment_id = payment_locks::fresh_id(app.clock.unix_seconds());
    // Taken before the row exists, so that a copy that finds the row by its key waits.
    let _own = app.payments_in_work.take(&payment_id).await?;
    let new = new_payment(app, &purchase, payment_id.clone(), now);
    let key_id = purchase.key_id.clone();
    let reserved = app.store.reserve_from_credit(new.clone(), key_id, now);
    let available = match reserved.await? {
        CreditReservation::Reserved { available } => available,
        CreditReservation::Known { payment_id } => return Ok(CreditOutcome::Replay(payment_id)),
        CreditReservation::Conflict => return Ok(CreditOutcome::Conflict),
        CreditReservation::Refused(why) => return Ok(CreditOutcome::Refused(why)),
    };
    let row = new.reserved_as(payment_id.clone(), now);
    let job = PaymentJob {
        client: purchase.client,
        price: purchase.price,
        progress,
        ..PaymentJob::from_row(&row)
    };
    let mut work = PaymentDriver::from_credit(row, purchase.operation, job);
    let reserved = PaymentEvent::Reserved { verified: true };
    let outcome = work.run(app, reserved).await;
    Ok(CreditOutcome::Processed {
        payment_id,
        outcome,
        available,
    })
}

fn new_payment<O: Operation>(
    app: &App,
    purchase: &CreditPurchase<O>,
    payment_id: PaymentId,
    now: i64,
) -> NewPayment {
    let payments = &app.config.payments;
    let mut arguments = purchase.operation.arguments();
    arguments["price"] = json!(purchase.price);
    if let Some(key_id) = &purchase.key_id {
        arguments["keyId"] = json!(key_id);
    }
    NewPayment {
        network: CREDIT_NETWORK.to_owned(),
        asset: format!("{:#x}", payments.network.usdc.address),
        payer: purchase.wallet.clone(),
        nonce: payment_id.to_string(),
        digest: purchase.digest.clone(),
        idempotency_key: purchase.key.clone(),
        amount: purchase.price.total.0,
        pay_to: payments.pay_to.to_string(),
        valid_before: now + MAX_TIMEOUT_SECONDS.cast_signed(),
        request: SignedRequest(String::new()),
        operation: O::NAME.to_owned(),
        arguments: arguments.to_string(),
        lease_id: purchase.operation.lease_id(),
        payment_id,
    }
}
