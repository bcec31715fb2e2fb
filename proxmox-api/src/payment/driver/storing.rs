//! Stores a transition and reports the result to the state machine.

use api_types::ErrorCode;
use serde_json::json;

use super::{AfterEffect, PaymentDriver};
use crate::{
    error::ApiError,
    payment::{
        operation::Operation,
        outcome::PaymentOutcome,
        store_transition::{self, TransitionResult},
    },
    payment_machine::{Funding, NewState, PaymentEvent, PaymentState, RetryPolicy},
    state::App,
    store::{Change, StoreError},
};

impl<O: Operation> PaymentDriver<O> {
    pub(super) async fn store(
        &mut self,
        app: &App,
        target: NewState,
        then_delivers: bool,
    ) -> AfterEffect {
        let now = app.now();
        let mut changes = self.events(&target);
        // Begun in the same commit, which saves one for each command: the delivery must not run
        // twice.
        let begins = then_delivers
            && O::RETRY == RetryPolicy::Once
            && self.operation.is_some()
            && target.state() == PaymentState::Settled;
        if begins {
            changes.push(Change::Begin);
        }
        let mut lock = None;
        if let (NewState::Answered(_), Some(delivered)) = (&target, self.delivered.take()) {
            changes.extend(delivered.changes);
            lock = delivered.lock;
        }
        let (id, to) = (self.row.payment_id.clone(), target.clone());
        let stored = store_transition::store(&app.store, &mut self.row, target, changes, now).await;
        drop(lock);
        match stored {
            TransitionResult::Stored => {
                if begins {
                    self.row.performed_at = Some(now);
                }
                self.stored(app, to).await;
                AfterEffect::Continue
            }
            TransitionResult::Overtaken(state) => {
                self.overtaken();
                let moved = match to {
                    NewState::Settled(transfer) => Some(transfer),
                    _ => None,
                };
                if moved.is_some() && !state.may_have_settled() {
                    tracing::error!(
                        payment.id = %id,
                        state = state.as_str(),
                        "a payment moved money in a state that cannot become settled"
                    );
                }
                AfterEffect::Event(PaymentEvent::Overtaken { by: state, moved })
            }
            TransitionResult::Refused => {
                let error = ApiError::new(ErrorCode::LeaseEnded, "What was paid for is gone.");
                match self.row.funding() {
                    Funding::Credit => self.outcome = PaymentOutcome::Failed(error),
                    Funding::X402 => self.undelivered(error),
                }
                AfterEffect::Event(self.not_delivered(app, true))
            }
            TransitionResult::EvidenceTaken => {
                tracing::error!(
                    payment.id = id.as_str(),
                    "one transfer is reported for two purchases"
                );
                self.outcome = PaymentOutcome::Unknown(None);
                AfterEffect::Event(PaymentEvent::EvidenceTaken)
            }
            TransitionResult::Failed(error) => {
                // For the receipt: the money moved, although that was not stored.
                if let NewState::Settled(transfer) = &to {
                    self.row.transaction = Some(transfer.transaction.clone());
                }
                AfterEffect::Event(self.not_stored(to.state(), error))
            }
        }
    }

    /// The audit events of a transition.
    fn events(&self, target: &NewState) -> Vec<Change> {
        let id = &self.row.payment_id;
        // Found after the customer got a response.
        let found = matches!(
            self.row.state,
            PaymentState::Unknown | PaymentState::Unresolved
        ) || self.is_followed;
        let (kind, data) = match target {
            NewState::Settled(transfer) if found => (
                "payment_found_settled",
                json!({ "transaction": transfer.transaction }),
            ),
            NewState::Refused(reason) if found => {
                ("payment_found_refused", json!({ "reason": reason }))
            }
            NewState::Refused(reason) => ("payment_refused", json!({ "reason": reason })),
            NewState::Unknown(transaction) => {
                ("payment_unknown", json!({ "transaction": transaction }))
            }
            NewState::Unresolved(reason) => ("payment_unresolved", json!({ "reason": reason })),
            _ => return Vec::new(),
        };
        vec![Change::event(id, kind, data)]
    }

    /// Sets the outcome after a transition was stored, and logs what the operator must know.
    async fn stored(&mut self, app: &App, target: NewState) {
        match target {
            NewState::Answered(answer) => {
                if let Some(operation) = &self.operation {
                    operation.delivered(app).await;
                }
                self.outcome = PaymentOutcome::Done {
                    answer,
                    transaction: self.transaction(),
                };
            }
            NewState::Refused(reason) => self.outcome = PaymentOutcome::Refused(reason),
            NewState::Unresolved(reason) => {
                self.outcome = PaymentOutcome::Unknown(None);
                tracing::error!(
                    payment.id = self.row.payment_id.as_str(),
                    reason,
                    amount = self.row.amount,
                    "a payment cannot be resolved: it is not known whether the money moved; see `proxmox-api payments show`"
                );
            }
            _ => {}
        }
    }

    pub(super) fn overtaken(&mut self) {
        self.outcome = match (&self.row.answer, self.row.state) {
            (Some(answer), PaymentState::Answered) => PaymentOutcome::Done {
                answer: answer.clone(),
                transaction: self.transaction(),
            },
            _ => PaymentOutcome::Elsewhere,
        };
    }

    pub(super) fn not_stored(&mut self, to: PaymentState, error: StoreError) -> PaymentEvent {
        let perhaps = error.may_have_been_made();
        let error = ApiError::from(error);
        let paid = self.row.state == PaymentState::Settled || to == PaymentState::Settled;
        self.outcome = match (paid, to) {
            (true, _) => PaymentOutcome::Undelivered {
                error,
                transaction: self.transaction(),
            },
            // The facilitator may know more: the customer must not sign another payment.
            (_, PaymentState::Unknown) => PaymentOutcome::Unknown(None),
            _ => PaymentOutcome::Failed(error),
        };
        PaymentEvent::NotStored { to, perhaps }
    }
}
