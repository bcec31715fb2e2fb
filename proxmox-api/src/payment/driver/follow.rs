//! Stays with a payment whose outcome is unknown: looks again and again, with backoff, until it ends with a delivery, with an
//! undo, or as unresolved.

use std::time::Duration;

use tracing::Instrument as _;

use super::PaymentDriver;
use crate::{
    ids::PaymentId,
    payment::operation::{Operation, Progress, RetryPolicy},
    payment_machine::{PaymentEvent, PaymentState, Requester},
    state::App,
    store::{Payment, StoreError},
};

/// Between two looks, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Follows a payment in a task of its own, after an earlier follower has stopped.
pub fn start<O: Operation>(app: &App, payment_id: &PaymentId) {
    let (app, id) = (app.clone(), payment_id.clone());
    let span = tracing::info_span!("follow", payment.id = id.as_str());
    let work = async move {
        // Without the lock two may follow, which the rows bear.
        let _turn = app.payments_followed.take(&id).await;
        follow::<O>(&app, &id).await;
    };
    tokio::spawn(work.instrument(span));
}

/// The same where nobody follows it yet, here or in another replica.
async fn start_if_alone<O: Operation>(app: &App, payment_id: &PaymentId) -> Result<(), StoreError> {
    let Some(turn) = app.payments_followed.try_take(payment_id).await? else {
        return Ok(());
    };
    let (app, id) = (app.clone(), payment_id.clone());
    let span = tracing::info_span!("follow", payment.id = id.as_str());
    let work = async move {
        follow::<O>(&app, &id).await;
        drop(turn);
    };
    tokio::spawn(work.instrument(span));
    Ok(())
}

async fn follow<O: Operation>(app: &App, payment_id: &PaymentId) {
    let mut pause = FIRST_PAUSE;
    loop {
        match resume_under_lock::<O>(app, payment_id).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the store failed while a payment was followed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One look under the payment's lock; true when there is nothing left to follow.
async fn resume_under_lock<O: Operation>(
    app: &App,
    payment_id: &PaymentId,
) -> Result<bool, StoreError> {
    let _turn = app.payments_in_work.take(payment_id).await?;
    let Some(row) = app.store.payment(payment_id).await? else {
        return Ok(true);
    };
    if matches!(row.state, PaymentState::Reserved | PaymentState::Verified) {
        // A move that was perhaps stored was not. The sweep gives it back.
        return Ok(true);
    }
    let begun = row.performed_at.is_some();
    let requester = Requester::Service { late: false };
    let mut work = PaymentDriver::<O>::for_follower(row);
    work.run(app, PaymentEvent::Resume { requester, begun })
        .await;
    Ok(!work.is_open())
}

/// Resumes an unfinished payment that was left behind. The caller has its locks and has read its row after that; `late`: the
/// payer is not waited for any longer.
///
/// # Errors
/// The database that replicas share cannot be reached.
pub async fn recover<O: Operation>(app: &App, row: &Payment, late: bool) -> Result<(), StoreError> {
    let needs_following = row.state.is_open()
        || row.state == PaymentState::Settled && O::RETRY == RetryPolicy::Resumed;
    if needs_following {
        return start_if_alone::<O>(app, &row.payment_id).await;
    }
    let begun = row.performed_at.is_some();
    let requester = Requester::Service { late };
    let mut work = PaymentDriver::<O>::from_row(row.clone(), None, Progress::default());
    work.run(app, PaymentEvent::Resume { requester, begun })
        .await;
    Ok(())
}
