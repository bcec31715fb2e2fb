//! Follows a payment of unknown outcome: resumes it with backoff until it is delivered, undone or
//! unresolved.

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

/// Backoff between two attempts: the first pause and the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Follows a payment in a task of its own, once an earlier follower has stopped.
pub fn start<O: Operation>(app: &App, payment_id: &PaymentId) {
    let (app, id) = (app.clone(), payment_id.clone());
    let span = tracing::info_span!("follow", payment.id = id.as_str());
    let work = async move {
        // Without the lock there may be two followers; compare-and-set on the row allows that.
        let _guard = app.payments_followed.take(&id).await;
        follow::<O>(&app, &id).await;
    };
    tokio::spawn(work.instrument(span));
}

/// The same, unless a follower exists in this or another replica.
async fn start_if_alone<O: Operation>(app: &App, payment_id: &PaymentId) -> Result<(), StoreError> {
    let Some(guard) = app.payments_followed.try_take(payment_id).await? else {
        return Ok(());
    };
    let (app, id) = (app.clone(), payment_id.clone());
    let span = tracing::info_span!("follow", payment.id = id.as_str());
    let work = async move {
        follow::<O>(&app, &id).await;
        drop(guard);
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
            Err(error) => tracing::error!(%error, "a followed payment could not be resumed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One attempt under the payment's lock; true when there is nothing left to follow.
async fn resume_under_lock<O: Operation>(
    app: &App,
    payment_id: &PaymentId,
) -> Result<bool, StoreError> {
    let _guard = app.payments_in_work.take(payment_id).await?;
    let Some(row) = app.store.payment(payment_id).await? else {
        return Ok(true);
    };
    if matches!(row.state, PaymentState::Reserved | PaymentState::Verified) {
        // The transition to `settling` was not stored. The sweep releases the payment.
        return Ok(true);
    }
    let begun = row.performed_at.is_some();
    let requester = Requester::Service { late: false };
    let mut work = PaymentDriver::<O>::for_follower(row);
    work.run(app, PaymentEvent::Resume { requester, begun })
        .await;
    Ok(!work.is_open())
}

/// Resumes an unfinished payment. The caller holds its locks and has read its row under them.
/// `late` means that the payer is not waited for any longer.
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
