//! The worker that resumes unfinished payments, at start and every minute. A crash, a failed write
//! or a replica that died leaves orphaned rows, and some work is due only after a time. The locks
//! of each row divide the rows among replicas; checks of the chain and removals are one replica's
//! duty.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    locks::Duty,
    operations::{lease_container::LeaseContainer, registry},
    payment::{Operation, payment_locks, recheck, returns},
    payment_machine::PaymentState,
    paywall::idempotency_key,
    state::App,
    store::{Lease, OpenAccounts, Payment, StoreError},
};

/// Between two sweeps, in seconds.
const SWEEP_INTERVAL: i64 = 60;
/// Seconds without a move after which a row without a lock holder counts as orphaned.
const ORPHANED_AFTER: i64 = 60;
/// Rows that are resumed at a time.
const AT_ONCE: usize = 8;
/// How long a paid call may be asked for again before it is owed, in seconds: without a key that
/// proves who asks, and with.
const REDEEMABLE: i64 = 600;
const REDEEMABLE_BY_KEY: i64 = 24 * 3600;
/// How long the row of a payment that was given back is kept, in seconds.
const KEEP_RELEASED: i64 = 3600;
/// How long an answer can be had again, in seconds.
const KEEP_ANSWERS: i64 = 24 * 3600;
/// How long the terms of a refused payment are kept for a look at a chain that does not answer, in
/// seconds.
const KEEP_UNCHECKED: i64 = 7 * 24 * 3600;
/// Between two looks at the chain for a payment that could not be resolved, in seconds.
const LOOK_AGAIN: i64 = 3600;

/// Resumes all unfinished work, however recent.
///
/// # Errors
/// The store failed.
pub async fn recover(app: &App) -> Result<(), StoreError> {
    resume_payments(app, i64::MAX).await?;
    undo_abandoned_leases(app, i64::MAX).await
}

/// Sweeps every minute, until the process ends.
pub async fn run(app: App) {
    let mut duty = Duty::new("sweep");
    loop {
        let wake = (app.now() + SWEEP_INTERVAL).unsigned_abs() * 1000;
        app.clock.sleep_until(wake).await;
        let is_ours = duty.is_ours(&app.payments_in_work).await;
        let is_ours = is_ours.unwrap_or_else(|error| {
            tracing::warn!(%error, "the lock of the sweep cannot be taken");
            false
        });
        let shared = sweep_shared(&app).await;
        let own = if is_ours {
            sweep_once(&app).await
        } else {
            Ok(())
        };
        if let Err(error) = shared.and(own) {
            tracing::error!(%error, "the sweep of payments failed");
        }
    }
}

/// One sweep. A part that fails does not stop the others.
///
/// # Errors
/// The store failed; the first failure.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    let shared = sweep_shared(app).await;
    shared.and(sweep_once(app).await)
}

/// The part of every replica: it resumes rows whose locks it gets, and skips the others.
async fn sweep_shared(app: &App) -> Result<(), StoreError> {
    let still = app.now() - ORPHANED_AFTER;
    let parts = [
        resume_payments(app, still).await,
        undo_abandoned_leases(app, still).await,
        measure(app).await,
    ];
    parts.into_iter().collect()
}

/// The part of one replica for all: others would only repeat its questions to the chain.
async fn sweep_once(app: &App) -> Result<(), StoreError> {
    let parts = [
        returns::credit_debts(app).await,
        recheck::refusals(app).await,
        recheck::transfers(app).await,
        forget(app).await,
    ];
    parts.into_iter().collect()
}

/// Resumes unfinished payments that have not moved since `before` and whose locks are free.
async fn resume_payments(app: &App, before: i64) -> Result<(), StoreError> {
    let mut found = app.store.unfinished_payments().await?;
    found.retain(|payment| payment.updated_at <= before);
    if app.witness.is_some() {
        let unresolved = app.store.unresolved_to_look_for(app.now() - LOOK_AGAIN);
        found.extend(unresolved.await?);
    }
    // Concurrently: a slow one, such as an undo, delays no other.
    let resumed = stream::iter(found).map(|payment| resume_one(app, payment));
    let resumed = resumed.buffer_unordered(AT_ONCE);
    resumed.try_collect().await
}

async fn resume_one(app: &App, found: Payment) -> Result<(), StoreError> {
    // Its follower looks at it more often than the sweep: no lock is asked for.
    if app.payments_followed.is_held_here(&found.payment_id) {
        return Ok(());
    }
    let Some(_locks) = payment_locks::idle(app, &found).await? else {
        return Ok(());
    };
    // Read again under its locks: their last holder may have finished.
    match app.store.payment(&found.payment_id).await? {
        Some(payment) => recover_one(app, &payment).await,
        None => Ok(()),
    }
}

/// Leases in the making whose payment is over: an undo was cut off.
async fn undo_abandoned_leases(app: &App, before: i64) -> Result<(), StoreError> {
    let found = app.store.abandoned_leases(before).await?;
    let undone = stream::iter(found).map(|lease| undo_abandoned(app, lease, before));
    let undone = undone.buffer_unordered(AT_ONCE);
    undone.try_collect().await
}

async fn undo_abandoned(app: &App, found: Lease, before: i64) -> Result<(), StoreError> {
    let Some(payment) = app.store.payment(&found.payment_id).await? else {
        return Ok(());
    };
    let Some(_locks) = payment_locks::idle(app, &payment).await? else {
        return Ok(());
    };
    let still = app.store.abandoned_leases(before).await?;
    if still.iter().any(|lease| lease.lease_id == found.lease_id) {
        LeaseContainer::abandoned(&found).undo(app).await;
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
            // Only the operation can undo what it prepared, so the row waits for a release that has
            // it.
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
    let redeemable = if idempotency_key::is_secret(payment.idempotency_key.as_deref()) {
        REDEEMABLE_BY_KEY
    } else {
        REDEEMABLE
    };
    payment.updated_at <= app.now() - redeemable
}

/// Removes rows that are not kept for ever.
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

/// Sets the metrics of open payments.
async fn measure(app: &App) -> Result<(), StoreError> {
    let OpenAccounts { due, unresolved } = app.store.open_accounts().await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a floating number")]
    {
        metrics::gauge!("payments_due_atomic").set(due as f64);
        metrics::gauge!("payments_unresolved").set(unresolved as f64);
    }
    let credit = app.store.credit_totals().await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a floating number")]
    metrics::gauge!("credit_liability_atomic").set(credit.liability as f64);
    Ok(())
}
