//! Goes on with what was left behind: at start, and every minute, on either database. A crash, a write that failed or another
//! replica's end leaves rows that nobody works on; and some things are due only after a time.

use crate::{
    operations::{lease_container::LeaseContainer, registry},
    payment::{Operation, PaymentState, follow, recheck},
    paywall::key,
    state::App,
    store::{OpenAccounts, Payment, StoreError},
};

/// Between two sweeps, in seconds.
const EVERY: i64 = 60;
/// How long something that nobody works on has to have stood still, in seconds.
const STILL: i64 = 60;
/// How long a paid call may be asked for again before it is owed, in seconds: without a key that proves who asks, and with.
const REDEEMABLE: i64 = 600;
const REDEEMABLE_BY_KEY: i64 = 24 * 3600;
/// How long the row of a payment that was given back is kept, in seconds.
const KEEP_RELEASED: i64 = 3600;
/// How long an answer can be had again, in seconds.
const KEEP_ANSWERS: i64 = 24 * 3600;
/// How long the terms of a refused payment are kept for a look at a chain that does not answer, in seconds.
const KEEP_UNCHECKED: i64 = 7 * 24 * 3600;
/// Between two looks at the chain for a payment that could not be resolved, in seconds.
const LOOK_AGAIN: i64 = 3600;

/// Goes on with everything that was left behind, however lately.
///
/// # Errors
/// The store failed.
pub async fn recover(app: &App) -> Result<(), StoreError> {
    resume_payments(app, i64::MAX).await?;
    undo_abandoned_leases(app, i64::MAX).await
}

/// Sweeps every minute, until the process ends.
pub async fn run(app: App) {
    loop {
        let wake = (app.now() + EVERY).unsigned_abs() * 1000;
        app.clock.sleep_until(wake).await;
        if let Err(error) = sweep(&app).await {
            tracing::error!(%error, "the sweep of payments failed");
        }
    }
}

/// One sweep. Each part is done although another one failed.
///
/// # Errors
/// The store failed; the first failure.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    let still = app.now() - STILL;
    let parts = [
        resume_payments(app, still).await,
        undo_abandoned_leases(app, still).await,
        recheck::refusals(app).await,
        recheck::transfers(app).await,
        forget(app).await,
        measure(app).await,
    ];
    parts.into_iter().collect()
}

/// Payments that are unfinished, have not moved since `before` and are worked on by nobody.
async fn resume_payments(app: &App, before: i64) -> Result<(), StoreError> {
    let mut found = app.store.unfinished_payments().await?;
    found.retain(|payment| payment.updated_at <= before);
    if app.witness.is_some() {
        let unresolved = app.store.unresolved_to_look_for(app.now() - LOOK_AGAIN);
        found.extend(unresolved.await?);
    }
    for found in found {
        let Some(_turns) = follow::idle(app, &found).await? else {
            continue;
        };
        // Read again under its locks: their last holder may have finished.
        let Some(payment) = app.store.payment(&found.payment_id).await? else {
            continue;
        };
        recover_one(app, &payment).await?;
    }
    Ok(())
}

/// Leases in the making whose payment is over: an undo was cut off.
async fn undo_abandoned_leases(app: &App, before: i64) -> Result<(), StoreError> {
    for found in app.store.abandoned_leases(before).await? {
        let Some(payment) = app.store.payment(&found.payment_id).await? else {
            continue;
        };
        let Some(_turns) = follow::idle(app, &payment).await? else {
            continue;
        };
        let still = app.store.abandoned_leases(before).await?;
        if still.iter().any(|lease| lease.lease_id == found.lease_id) {
            LeaseContainer::abandoned(&found).undo(app).await;
        }
    }
    Ok(())
}

async fn recover_one(app: &App, payment: &Payment) -> Result<(), StoreError> {
    let late = is_late(app, payment);
    if payment.state == PaymentState::Unresolved {
        let id = &payment.payment_id;
        app.store.mark_checked(id, app.now()).await?;
    }
    match registry::named(&payment.operation) {
        Some(operation) => (operation.recover)(app, payment, late).await,
        None if payment.state == PaymentState::Settled => {
            recheck::give_up(app, payment, late).await
        }
        None => {
            // Only the operation can undo what it prepared, so the row waits for a release that has it.
            tracing::error!(
                payment.id = payment.payment_id.as_str(),
                operation = payment.operation,
                "this release does not know the operation of a payment"
            );
            Ok(())
        }
    }
}

/// A call that was paid and not delivered can be asked for again for a while; then it is owed.
fn is_late(app: &App, payment: &Payment) -> bool {
    let redeemable = if key::is_good(payment.idempotency_key.as_deref()) {
        REDEEMABLE_BY_KEY
    } else {
        REDEEMABLE
    };
    payment.updated_at <= app.now() - redeemable
}

/// What is not kept for ever.
async fn forget(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    while app.store.remove_released(now - KEEP_RELEASED).await? > 0 {}
    // Without a chain to ask there will be no look.
    let unchecked = match app.witness {
        Some(_) => now - KEEP_UNCHECKED,
        None => now - KEEP_ANSWERS,
    };
    let blank = || app.store.blank_answers(now - KEEP_ANSWERS, unchecked);
    while blank().await? > 0 {}
    Ok(())
}

/// What operators are told by metrics.
async fn measure(app: &App) -> Result<(), StoreError> {
    let OpenAccounts { due, unresolved } = app.store.open_accounts().await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a floating number")]
    {
        metrics::gauge!("payments_due_atomic").set(due as f64);
        metrics::gauge!("payments_unresolved").set(unresolved as f64);
    }
    Ok(())
}
