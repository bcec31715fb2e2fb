//! Stores a payment's transitions, each in one commit with its event, its debt and the changes of
//! its delivery.

use serde_json::json;

use super::{Right, owed};
use crate::payment_machine::{
    DebtReason, Funding, NewState, PaymentState, StoredAnswer, Transition,
};
use crate::store::{Change, HeldCredit, Payment, Store, StoreError};

/// The result of storing a transition.
#[derive(Debug)]
pub(super) enum TransitionResult {
    /// It is stored, and the row in memory was updated.
    Stored,
    /// The row was in another state, which was read.
    Overtaken(PaymentState),
    /// A change that belongs to it does not fit any more.
    Refused,
    /// The transfer pays for another purchase.
    EvidenceTaken,
    /// The database failed.
    Failed(StoreError),
}

/// Stores one transition. Only this function changes a payment's state after its row was inserted.
pub(super) async fn store(
    store: &Store,
    row: &mut Payment,
    target: NewState,
    changes: Vec<Change>,
    now: i64,
) -> TransitionResult {
    let id = row.payment_id.clone();
    let Some(wanted) = Transition::new(&Right, &id, row.state, target.clone()) else {
        tracing::error!(
            payment.id = id.as_str(),
            from = row.state.as_str(),
            to = target.state().as_str(),
            "a payment cannot make this transition"
        );
        return TransitionResult::Overtaken(row.state);
    };
    let logged = changes.clone();
    let mut changes = changes;
    changes.extend(of_hold(row, &target));
    match store.move_payment(wanted, changes, now).await {
        Ok(true) => {
            logged.iter().for_each(Change::log);
            update_row(row, target, now);
            TransitionResult::Stored
        }
        Ok(false) => match store.payment(&id).await {
            Ok(Some(found)) => {
                *row = found;
                TransitionResult::Overtaken(row.state)
            }
            // It was released, and removed since.
            Ok(None) => TransitionResult::Overtaken(PaymentState::Released),
            Err(error) => TransitionResult::Failed(error),
        },
        Err(StoreError::ChangeRefused) => TransitionResult::Refused,
        Err(StoreError::EvidenceTaken) => TransitionResult::EvidenceTaken,
        Err(error) => TransitionResult::Failed(error),
    }
}

/// What becomes of the credit that a payment holds: taken with its answer, given back with its
/// release.
fn of_hold(row: &Payment, target: &NewState) -> Option<Change> {
    if row.funding() == Funding::X402 {
        return None;
    }
    let held = HeldCredit {
        wallet: row.payer.clone(),
        key_id: row.key_id(),
        amount: row.amount,
    };
    match target {
        NewState::Answered(_) => Some(Change::Capture(held)),
        NewState::Released(_) => Some(Change::Release(held)),
        _ => None,
    }
}

/// Updates the row in memory as the database has it now.
fn update_row(row: &mut Payment, target: NewState, now: i64) {
    row.state = target.state();
    // An answered row keeps the time of its settlement.
    if row.state != PaymentState::Answered {
        row.updated_at = now;
    }
    match target {
        NewState::Settled(transfer) => {
            row.transaction = Some(transfer.transaction);
            row.log_index = transfer.log_index;
            row.block = transfer.block;
        }
        NewState::Unknown(Some(transaction)) => row.transaction = Some(transaction),
        NewState::Refused(reason) | NewState::Unresolved(reason) | NewState::Released(reason) => {
            row.reason = Some(reason);
        }
        NewState::Answered(answer) => row.answer = Some(answer),
        NewState::Verified | NewState::Settling | NewState::Unknown(None) => {}
    }
}

/// Ends a settled payment with a debt: stores the answer that tells of it, the debt and the event
/// together.
pub(super) async fn owe(
    store: &Store,
    row: &mut Payment,
    reason: DebtReason,
    now: i64,
) -> TransitionResult {
    let error = owed::owed_error(row, reason.as_str());
    let answer = StoredAnswer {
        status: error.code.status(),
        // Without a request id, which each response to it adds.
        body: serde_json::to_string(&error.envelope("")).unwrap_or_default(),
    };
    let data =
        json!({"reason": reason.as_str(), "amount": row.amount, "transaction": row.transaction});
    let changes = vec![
        Change::Debt {
            reason: reason.as_str(),
            amount: row.amount,
        },
        Change::event(&row.payment_id, "payment_owed", data),
    ];
    let stored = self::store(store, row, NewState::Answered(answer), changes, now).await;
    if let TransitionResult::Stored = stored {
        tracing::error!(
            payment.id = row.payment_id.as_str(),
            reason = reason.as_str(),
            amount = row.amount,
            "a payment could not be delivered and is owed to its payer"
        );
    }
    stored
}
