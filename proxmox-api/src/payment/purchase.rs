//! A purchase: a request with a payment that was not seen before. Its row is inserted before the
//! facilitator is asked, and the driver does the rest.

use std::net::IpAddr;

use alloy::primitives::U256;
use api_types::Price;
use serde_json::json;
use x402::{facilitator::FacilitatorRequest, offer::Offer, payment::Payment};

use super::{
    driver::PaymentDriver,
    operation::{Operation, PaymentJob, Progress},
    outcome::PaymentOutcome,
    payment_locks::PaymentLocks,
    queries,
};
use crate::{
    error::ApiError,
    ids::PaymentId,
    payment_machine::PaymentEvent,
    state::App,
    store::{NewPayment, Reservation, SignedRequest, StoreError},
};

/// A request whose payment fits its price and terms.
pub struct PurchaseRequest<O> {
    /// The operation.
    pub operation: O,
    /// The offer that the payment fits.
    pub offer: Offer,
    /// The price with its lines.
    pub price: Price,
    /// The signed payment.
    pub payment: Payment,
    /// Whether the payer is proven. If not, only the facilitator can tell, and it is asked before
    /// the row is inserted.
    pub is_proven: bool,
    /// The digest of method, path and body.
    pub digest: String,
    /// The idempotency key.
    pub key: Option<String>,
    /// The client's address, if it is known.
    pub client: Option<IpAddr>,
}

/// The outcome of a purchase.
pub enum PurchaseOutcome {
    /// It was processed, under this id.
    Processed {
        /// The id of the payment.
        payment_id: PaymentId,
        /// The outcome of the payment.
        outcome: PaymentOutcome,
    },
    /// It was declined before a row was inserted.
    Declined(PaymentOutcome),
    /// The same request was seen before, under this id.
    Replay(PaymentId),
    /// The nonce or the key belongs to another request.
    Conflict,
}

impl From<PaymentOutcome> for PurchaseOutcome {
    fn from(outcome: PaymentOutcome) -> Self {
        Self::Declined(outcome)
    }
}

impl From<StoreError> for PurchaseOutcome {
    fn from(error: StoreError) -> Self {
        PaymentOutcome::Failed(error.into()).into()
    }
}

/// Processes a purchase, from its reservation to its outcome.
pub async fn buy<O: Operation>(
    app: &App,
    purchase: PurchaseRequest<O>,
    locked: PaymentLocks,
    progress: Progress,
) -> PurchaseOutcome {
    let request = match purchase.offer.facilitator_request(&purchase.payment) {
        Ok(request) => request,
        Err(reason) => return PaymentOutcome::NotTaken(reason).into(),
    };
    // Nothing is stored for a payer that is not proven.
    if !purchase.is_proven
        && let Err(outcome) = queries::verify(app, &request).await
    {
        return outcome.into();
    }
    let PaymentLocks {
        signature: _signature,
        payment_id,
        own,
    } = locked;
    let new = match new_payment(&purchase, payment_id, &request) {
        Ok(new) => new,
        Err(error) => return PaymentOutcome::Failed(error).into(),
    };
    let now = app.now();
    match app.store.reserve(new.clone(), now).await {
        Ok(Reservation::Reserved { payment_id }) => {
            // A released row keeps its id when it is reserved again.
            let guard = if payment_id == new.payment_id {
                Ok(own)
            } else {
                app.payments_in_work.take(&payment_id).await
            };
            let _guard = match guard {
                Ok(guard) => guard,
                Err(error) => return error.into(),
            };
            let row = new.reserved_as(payment_id.clone(), now);
            let job = PaymentJob {
                client: purchase.client,
                price: purchase.price,
                progress,
                ..PaymentJob::from_row(&row)
            };
            let mut work = PaymentDriver::new(row, Some(purchase.operation), job, request);
            let verified = !purchase.is_proven;
            let outcome = work.run(app, PaymentEvent::Reserved { verified }).await;
            PurchaseOutcome::Processed {
                payment_id,
                outcome,
            }
        }
        Ok(Reservation::Known { payment_id }) => PurchaseOutcome::Replay(payment_id),
        Ok(Reservation::Conflict) => PurchaseOutcome::Conflict,
        Err(error) => error.into(),
    }
}

fn new_payment<O: Operation>(
    purchase: &PurchaseRequest<O>,
    payment_id: PaymentId,
    request: &FacilitatorRequest,
) -> Result<NewPayment, ApiError> {
    let (payment, offer) = (&purchase.payment, &purchase.offer);
    let authorization = payment.authorization();
    let text = serde_json::to_string(request).map_err(|error| {
        tracing::error!(%error, "a payment cannot be written as JSON");
        ApiError::new(
            api_types::ErrorCode::Internal,
            "The payment cannot be stored.",
        )
    })?;
    Ok(NewPayment {
        payment_id,
        network: offer.network.caip2.to_owned(),
        asset: format!("{:#x}", offer.network.usdc.address),
        payer: payment.payer().into(),
        nonce: format!("{:#x}", authorization.nonce),
        digest: purchase.digest.clone(),
        idempotency_key: purchase.key.clone(),
        amount: amount(authorization.value, offer.amount),
        pay_to: offer.pay_to.to_string(),
        valid_before: i64::try_from(authorization.valid_before).unwrap_or(i64::MAX),
        request: SignedRequest(text),
        operation: O::NAME.to_owned(),
        arguments: arguments(purchase),
        lease_id: purchase.operation.lease_id(),
    })
}

/// The signed amount in atomic units, which is what moves: version 1 may sign for more than the
/// price. An amount that a row cannot hold is more than all USDC, which the facilitator refuses.
fn amount(signed: U256, offered: u64) -> u64 {
    i64::try_from(signed).map_or(offered, i64::unsigned_abs)
}

/// The operation's arguments with the price and its lines, which the answer shows and a restart
/// cannot compute again.
fn arguments<O: Operation>(purchase: &PurchaseRequest<O>) -> String {
    let mut arguments = purchase.operation.arguments();
    arguments["price"] = json!(purchase.price);
    arguments.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_amount_is_stored_if_a_row_can_hold_it() {
        let most = i64::MAX.unsigned_abs();
        assert_eq!(amount(U256::from(1_500), 1_000), 1_500);
        assert_eq!(amount(U256::from(most), 1_000), most);
        for more in [U256::from(most + 1), U256::from(u64::MAX), U256::MAX] {
            assert_eq!(amount(more, 1_000), 1_000);
        }
    }
}
