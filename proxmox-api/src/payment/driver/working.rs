//! Calls the facilitator and the operation, and reports the results to the state machine.

use api_types::ErrorCode;

use super::{AfterEffect, PaymentDriver};
use crate::{
    error::ApiError,
    payment::{
        operation::{Operation, PaymentFlow, SettledPayment},
        outcome::PaymentOutcome,
        owed, queries, returns,
        store_transition::{self, TransitionResult},
    },
    payment_machine::{DebtReason, Funding, PaymentEvent, PaymentState, RetryPolicy},
    state::App,
    store::{Payment, StoreError},
};

/// Seconds for which the service tries by itself to deliver a settled payment.
const DELIVERY_TIMEOUT: i64 = 24 * 3600;

impl<O: Operation> PaymentDriver<O> {
    pub(super) async fn verify(&mut self, app: &App) -> AfterEffect {
        let Some(request) = &self.request else {
            return AfterEffect::Continue;
        };
        match queries::verify(app, request).await {
            Ok(()) => AfterEffect::Event(PaymentEvent::Verified),
            Err(outcome) => {
                let reason = match &outcome {
                    PaymentOutcome::NotTaken(reason) => reason.code.to_string(),
                    PaymentOutcome::Failed(error) => error.code.as_str().to_owned(),
                    _ => "not_verified".to_owned(),
                };
                self.outcome = outcome;
                AfterEffect::Event(PaymentEvent::NotVerified(reason))
            }
        }
    }

    pub(super) async fn admit(&mut self, app: &App) -> AfterEffect {
        let Some(operation) = &self.operation else {
            return AfterEffect::Continue;
        };
        match operation.admit(app, &self.job).await {
            Ok(()) => {
                if O::FLOW == PaymentFlow::DeliverThenSettle {
                    self.row.state = PaymentState::Verified;
                }
                AfterEffect::Event(PaymentEvent::Admitted)
            }
            Err(error) => {
                let reason = error.code.as_str().to_owned();
                self.outcome = PaymentOutcome::Failed(error);
                AfterEffect::Event(PaymentEvent::NotAdmitted(reason))
            }
        }
    }

    pub(super) async fn prepare(&mut self, app: &App) -> AfterEffect {
        let Some(operation) = &self.operation else {
            return AfterEffect::Continue;
        };
        match operation.prepare(app, &self.job).await {
            Ok(()) => AfterEffect::Event(PaymentEvent::Prepared),
            Err(error) => {
                let reason = error.code.as_str().to_owned();
                self.outcome = PaymentOutcome::Failed(error);
                AfterEffect::Event(PaymentEvent::NotPrepared(reason))
            }
        }
    }

    pub(super) async fn deliver(&mut self, app: &App) -> PaymentEvent {
        let paid = SettledPayment {
            transaction: self.transaction(),
            network: self.row.network.clone(),
            funding: self.row.funding(),
            begun: self.row.performed_at.is_some(),
        };
        let result = match operation_of(app, &mut self.operation, &self.row).await {
            Ok(Some(operation)) => operation.deliver(app, &self.job, &paid).await,
            Ok(None) => {
                let message = "What was paid for is gone.";
                Err(ApiError::new(ErrorCode::LeaseEnded, message))
            }
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(delivered) => {
                let answer = delivered.answer.clone();
                self.delivered = Some(delivered);
                PaymentEvent::Performed(answer)
            }
            Err(error) => {
                let for_good = owed::is_final(&error);
                if self.is_followed {
                    let code = error.code;
                    tracing::error!(payment.id = self.row.payment_id.as_str(), %code, "a paid operation could not be delivered yet");
                }
                // What is not answered is not charged.
                if self.row.funding() == Funding::Credit {
                    self.outcome = PaymentOutcome::Failed(error);
                    return self.not_delivered(app, for_good);
                }
                if O::RETRY == RetryPolicy::Once {
                    self.read_begun(app).await;
                }
                self.undelivered(error);
                self.not_delivered(app, for_good)
            }
        }
    }

    /// Reads again whether the operation was begun, which the operation itself may have changed in
    /// the row.
    async fn read_begun(&mut self, app: &App) {
        match app.store.payment(&self.row.payment_id).await {
            Ok(Some(row)) => self.row.performed_at = row.performed_at,
            Ok(None) => {}
            // Counts as begun: it becomes a debt and is not run twice.
            Err(_) => self.row.performed_at = Some(app.now()),
        }
    }

    pub(super) fn not_delivered(&self, app: &App, for_good: bool) -> PaymentEvent {
        PaymentEvent::NotDelivered {
            for_good,
            begun: self.row.performed_at.is_some(),
            late: app.now() > self.row.updated_at.saturating_add(DELIVERY_TIMEOUT),
        }
    }

    pub(super) fn undelivered(&mut self, error: ApiError) {
        let transaction = self.transaction();
        let error = error
            .with("paymentId", self.row.payment_id.as_str())
            .with("transaction", transaction.as_str())
            .advise("the payment stays good: send the same signed request again, with its Idempotency-Key");
        self.outcome = PaymentOutcome::Undelivered { error, transaction };
    }

    pub(super) async fn undo(&mut self, app: &App) -> AfterEffect {
        match operation_of(app, &mut self.operation, &self.row).await {
            Ok(Some(operation)) => operation.undo(app).await,
            Ok(None) => {}
            // The sweep finds a lease whose payment has ended.
            Err(error) => {
                tracing::error!(%error, payment.id = self.row.payment_id.as_str(), "the preparation of a payment could not be undone yet");
            }
        }
        AfterEffect::Continue
    }

    pub(super) async fn owe(&mut self, app: &App, reason: DebtReason) -> AfterEffect {
        let error = owed::owed_error(&self.row, reason.as_str());
        match store_transition::owe(&app.store, &mut self.row, reason, app.now()).await {
            TransitionResult::Stored => {
                let id = &self.row.payment_id;
                let credited = returns::credit_debt(app, id, reason.as_str()).await;
                let error = match credited {
                    Ok(Some(amount)) => owed::credited_error(&self.row, reason.as_str(), amount),
                    Ok(None) => error,
                    Err(failed) => {
                        tracing::error!(error = %failed, payment.id = id.as_str(), "a debt could not be credited yet");
                        error
                    }
                };
                self.outcome = PaymentOutcome::Undelivered {
                    error,
                    transaction: self.transaction(),
                };
                AfterEffect::Continue
            }
            TransitionResult::Failed(error) => {
                AfterEffect::Event(self.not_stored(PaymentState::Answered, error))
            }
            TransitionResult::Overtaken(state) => {
                self.overtaken();
                AfterEffect::Event(PaymentEvent::Overtaken {
                    by: state,
                    moved: None,
                })
            }
            TransitionResult::Refused | TransitionResult::EvidenceTaken => AfterEffect::Continue,
        }
    }
}

/// The operation of the request, or else the one that is restored from the row.
async fn operation_of<'a, O: Operation>(
    app: &App,
    operation: &'a mut Option<O>,
    row: &Payment,
) -> Result<Option<&'a O>, StoreError> {
    if operation.is_none() {
        *operation = O::resume(app, row).await?;
    }
    Ok(operation.as_ref())
}
