//! Writes a move down, and tells the machine how that went.

use api_types::ErrorCode;
use serde_json::json;

use super::{Next, Work};
use crate::{
    error::ApiError,
    payment::{
        operation::Operation,
        outcome::Outcome,
        record::{self, Stored},
    },
    payment_machine::{Event, PaymentState, Repeat, Target},
    state::App,
    store::{Change, StoreError},
};

impl<O: Operation> Work<O> {
    pub(super) async fn store(&mut self, app: &App, target: Target, then_delivers: bool) -> Next {
        let now = app.now();
        let mut changes = self.events(&target);
        // One commit less for each command: what is done next must not be done twice.
        let begins = then_delivers
            && O::REPEAT == Repeat::Once
            && self.operation.is_some()
            && target.state() == PaymentState::Settled;
        if begins {
            changes.push(Change::Begin);
        }
        let mut lock = None;
        if let (Target::Answered(_), Some(delivered)) = (&target, self.delivered.take()) {
            changes.extend(delivered.changes);
            lock = delivered.lock;
        }
        let (id, to) = (self.row.payment_id.clone(), target.clone());
        let stored = record::store(&app.store, &mut self.row, target, changes, now).await;
        drop(lock);
        match stored {
            Stored::Yes => {
                if begins {
                    self.row.performed_at = Some(now);
                }
                self.stored(app, to).await;
                Next::Go
            }
            Stored::Overtaken(state) => {
                self.overtaken();
                let moved = match to {
                    Target::Settled(transfer) => Some(transfer),
                    _ => None,
                };
                if moved.is_some() && !state.may_have_settled() {
                    tracing::error!(
                        payment.id = %id,
                        state = state.as_str(),
                        "a payment moved money and is in a state that cannot say so"
                    );
                }
                Next::Tell(Event::Overtaken { by: state, moved })
            }
            Stored::Refused => {
                let message = "What was paid for is gone.";
                self.undelivered(ApiError::new(ErrorCode::LeaseEnded, message));
                Next::Tell(self.not_delivered(app, true))
            }
            Stored::EvidenceTaken => {
                tracing::error!(
                    payment.id = id.as_str(),
                    "a transfer is said to pay for two purchases"
                );
                self.outcome = Outcome::Unknown(None);
                Next::Tell(Event::EvidenceTaken)
            }
            Stored::Failed(error) => {
                // For the receipt: the money moved, whatever can be written down.
                if let Target::Settled(transfer) = &to {
                    self.row.transaction = Some(transfer.transaction.clone());
                }
                Next::Tell(self.not_stored(to.state(), error))
            }
        }
    }

    /// What the audit trail says of a move.
    fn events(&self, target: &Target) -> Vec<Change> {
        let id = &self.row.payment_id;
        // Found out after the customer was answered.
        let found = matches!(
            self.row.state,
            PaymentState::Unknown | PaymentState::Unresolved
        ) || self.is_followed;
        let (kind, data) = match target {
            Target::Settled(transfer) if found => (
                "payment_found_settled",
                json!({ "transaction": transfer.transaction }),
            ),
            Target::Refused(reason) if found => {
                ("payment_found_refused", json!({ "reason": reason }))
            }
            Target::Refused(reason) => ("payment_refused", json!({ "reason": reason })),
            Target::Unknown(transaction) => {
                ("payment_unknown", json!({ "transaction": transaction }))
            }
            Target::Unresolved(reason) => ("payment_unresolved", json!({ "reason": reason })),
            _ => return Vec::new(),
        };
        vec![Change::event(id, kind, data)]
    }

    /// A move is stored: what the customer and the operator are told of it.
    async fn stored(&mut self, app: &App, target: Target) {
        match target {
            Target::Answered(answer) => {
                if let Some(operation) = &self.operation {
                    operation.delivered(app).await;
                }
                self.outcome = Outcome::Done {
                    answer,
                    transaction: self.transaction(),
                };
            }
            Target::Refused(reason) => self.outcome = Outcome::Refused(reason),
            Target::Unresolved(reason) => {
                self.outcome = Outcome::Unknown(None);
                tracing::error!(
                    payment.id = self.row.payment_id.as_str(),
                    reason,
                    amount = self.row.amount,
                    "it cannot be learnt whether a payment moved money: see `proxmox-api payments show`"
                );
            }
            _ => {}
        }
    }

    pub(super) fn overtaken(&mut self) {
        self.outcome = match (&self.row.answer, self.row.state) {
            (Some(answer), PaymentState::Answered) => Outcome::Done {
                answer: answer.clone(),
                transaction: self.transaction(),
            },
            _ => Outcome::Elsewhere,
        };
    }

    pub(super) fn not_stored(&mut self, to: PaymentState, error: StoreError) -> Event {
        let perhaps = error.may_have_been_made();
        let error = ApiError::from(error);
        let paid = self.row.state == PaymentState::Settled || to == PaymentState::Settled;
        self.outcome = match (paid, to) {
            (true, _) => Outcome::Undelivered {
                error,
                transaction: self.transaction(),
            },
            // It may be known to the facilitator only: never a word that allows another payment.
            (_, PaymentState::Unknown) => Outcome::Unknown(None),
            _ => Outcome::Failed(error),
        };
        Event::NotStored { to, perhaps }
    }
}
