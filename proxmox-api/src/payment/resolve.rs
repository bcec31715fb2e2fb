//! The operator's decision about an unresolved payment.

use serde_json::{Value, json};

use super::{
    context_without_operation,
    store_transition::{self, TransitionResult},
};
use crate::payment_machine::{self as machine, OperatorDecision, PaymentEffect, PaymentEvent};
use crate::store::{Change, Payment, Store, StoreError};

/// The kind of the event of such a decision.
pub const RESOLVED_BY_OPERATOR: &str = "resolved_by_operator";

/// Stores the decision and its event. The service delivers or undoes what follows from it. False if
/// the payment is not unresolved any more.
///
/// # Errors
/// The database failed, or the transfer pays for another purchase.
pub async fn resolve(
    store: &Store,
    payment: &Payment,
    verdict: OperatorDecision,
    note: &Value,
    now: i64,
) -> Result<bool, StoreError> {
    let mut row = payment.clone();
    let effects = machine::step(
        context_without_operation(),
        row.state,
        PaymentEvent::Decided(verdict),
    );
    for effect in effects {
        let PaymentEffect::Store(target) = effect else {
            continue;
        };
        let event = Change::event(&row.payment_id, RESOLVED_BY_OPERATOR, note.clone());
        return match store_transition::store(store, &mut row, target, vec![event], now).await {
            TransitionResult::Stored => Ok(true),
            TransitionResult::Overtaken(_) | TransitionResult::Refused => Ok(false),
            TransitionResult::EvidenceTaken => Err(StoreError::EvidenceTaken),
            TransitionResult::Failed(error) => Err(error),
        };
    }
    Ok(false)
}

/// The data of the event: what the operator wrote, and the state before.
pub fn event_data(reason: &str, transaction: Option<&str>, was: &Payment) -> Value {
    json!({"reason": reason, "transaction": transaction, "was": was.state.as_str()})
}
