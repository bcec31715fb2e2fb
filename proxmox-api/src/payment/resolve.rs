//! A person's decision about a payment of which it could not be learnt whether it moved money.

use serde_json::{Value, json};

use super::{
    store_transition::{self, TransitionResult},
    terms_without_work,
};
use crate::payment_machine::{self as machine, OperatorDecision, PaymentEffect, PaymentEvent};
use crate::store::{Change, Payment, Store, StoreError};

/// The event of a person's decision.
pub const RESOLVED_BY_OPERATOR: &str = "resolved_by_operator";

/// Writes the decision down, with its event. The service delivers or undoes what follows from it. False: the payment is not
/// unresolved any more.
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
        terms_without_work(),
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

/// What the operator wrote about a debt, for the trail.
pub fn event_data(reason: &str, transaction: Option<&str>, was: &Payment) -> Value {
    json!({"reason": reason, "transaction": transaction, "was": was.state.as_str()})
}
