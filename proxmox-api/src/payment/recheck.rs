//! Checks payments that have ended against the chain: a refused one may have moved money later, and
//! a settled one may have lost its transfer. Without a chain nothing is checked.

use serde_json::json;
use x402::facilitator::{
    FacilitatorRequest, TransferEvidence,
    onchain::{Evidence, Witness},
};

use super::{
    context_without_operation,
    driver::{self, MARGIN, WAIT_FOR_CHAIN},
    payment_locks,
    store_transition::{self, TransitionResult},
};
use crate::{
    payment_machine::{self as machine, ChainFinding, PaymentEffect, PaymentEvent, Requester},
    state::App,
    store::{Payment, StoreError},
};

/// Requests without an answer after which the node counts as unreachable until the next sweep.
const MAX_UNANSWERED: u32 = 3;
/// Seconds after a settlement until its transfer is checked again.
const TRANSFER_CHECK_DELAY: i64 = 300;

/// Checks refused payments after their window: until then any party that saw the authorization
/// could send it. Money that moved becomes a debt.
///
/// # Errors
/// The store failed.
pub async fn refusals(app: &App) -> Result<(), StoreError> {
    let (Some(witness), now) = (&app.witness, app.now()) else {
        return Ok(());
    };
    let mut unanswered = 0;
    for row in app.store.refusals_to_check(now - MARGIN).await? {
        let id = &row.payment_id;
        // Under its locks: a copy of the request must not be delivered between the settlement and
        // the debt.
        let Some(_turns) = payment_locks::idle(app, &row).await? else {
            continue;
        };
        if row.network != app.config.payments.network.caip2 {
            // The service was on another network then, which this node does not know.
            app.store.mark_checked(id, now).await?;
            continue;
        }
        let Ok(request) = serde_json::from_str::<FacilitatorRequest>(&row.request.0) else {
            app.store.mark_checked(id, now).await?;
            continue;
        };
        match witness
            .find_evidence(&request, row.created_at.unsigned_abs())
            .await
        {
            Ok(evidence) => apply_evidence(app, row, evidence).await?,
            Err(error) => {
                tracing::warn!(%error, "the chain did not answer about a refused payment");
                unanswered += 1;
                if unanswered >= MAX_UNANSWERED {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Makes a debt of a settled payment whose operation this release does not know, once it is `late`.
///
/// # Errors
/// The store failed.
pub async fn give_up(app: &App, payment: &Payment, late: bool) -> Result<(), StoreError> {
    let requester = Requester::Service { late };
    let event = PaymentEvent::Resume {
        requester,
        begun: payment.performed_at.is_some(),
    };
    perform(app, payment.clone(), event).await
}

/// Applies the evidence about a refused payment: it stays refused, or becomes a debt.
async fn apply_evidence(app: &App, row: Payment, evidence: Evidence) -> Result<(), StoreError> {
    let (id, now) = (row.payment_id.clone(), app.now());
    let window = driver::time_after_window(&row, now);
    if let ChainFinding::Open | ChainFinding::Unknowable(_) =
        ChainFinding::from_evidence(Some(evidence.clone()), window)
    {
        return Ok(());
    }
    perform(
        app,
        row,
        PaymentEvent::ChainAnswered(Some(evidence), window),
    )
    .await?;
    app.store.mark_checked(&id, now).await.map(drop)
}

/// Performs the effects of an event that delivers and undoes nothing.
async fn perform(app: &App, mut row: Payment, event: PaymentEvent) -> Result<(), StoreError> {
    let now = app.now();
    for effect in machine::step(context_without_operation(), row.state, event) {
        let stored = match effect {
            PaymentEffect::Store(target) => {
                store_transition::store(&app.store, &mut row, target, Vec::new(), now).await
            }
            PaymentEffect::Owe(reason) => {
                store_transition::owe(&app.store, &mut row, reason, now).await
            }
            _ => continue,
        };
        match stored {
            TransitionResult::Stored => {}
            TransitionResult::Overtaken(_)
            | TransitionResult::Refused
            | TransitionResult::EvidenceTaken => break,
            TransitionResult::Failed(error) => return Err(error),
        }
    }
    Ok(())
}

/// Checks transfers again after the chain may have been reorganised: those that were read on the
/// chain must still be there, and those that a facilitator reported must be there at all.
///
/// # Errors
/// The store failed.
pub async fn transfers(app: &App) -> Result<(), StoreError> {
    let Some(witness) = &app.witness else {
        return Ok(());
    };
    if app.facilitator.describe().simulated {
        return Ok(());
    }
    let mut unanswered = 0;
    for row in app
        .store
        .transfers_to_check(app.now() - TRANSFER_CHECK_DELAY)
        .await?
    {
        if row.network != app.config.payments.network.caip2 {
            app.store.mark_checked(&row.payment_id, app.now()).await?;
            continue;
        }
        let found = TransferEvidence {
            transaction: row.transaction.clone().unwrap_or_default(),
            log_index: row.log_index,
            block: row.block,
        };
        let there = match row.log_index {
            Some(_) => witness.still_there(&found).await,
            None => Ok(false),
        };
        match there {
            Ok(true) => {
                app.store.mark_checked(&row.payment_id, app.now()).await?;
            }
            Ok(false) => find_again(app, witness, &row).await?,
            Err(error) => {
                tracing::warn!(%error, payment.id = row.payment_id.as_str(), "the chain did not answer about a transfer");
                unanswered += 1;
                if unanswered >= MAX_UNANSWERED {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Looks for a transfer that was never read on the chain, or is not where it was.
async fn find_again(app: &App, witness: &Witness, row: &Payment) -> Result<(), StoreError> {
    let id = &row.payment_id;
    let late = app.now() > row.updated_at.saturating_add(WAIT_FOR_CHAIN);
    let Ok(request) = serde_json::from_str::<FacilitatorRequest>(&row.request.0) else {
        return app.store.mark_checked(id, app.now()).await.map(drop);
    };
    let lost = match witness
        .find_evidence(&request, row.created_at.unsigned_abs())
        .await
    {
        Ok(Evidence::Moved(transfer)) => return replace_evidence(app, row, transfer).await,
        // A node may lag, and a transfer that dropped out of a block may get into the next one.
        Ok(Evidence::Unspent | Evidence::NotFound) if !late => return Ok(()),
        Ok(Evidence::Unspent) => "unspent",
        Ok(Evidence::NotFound) => "transfer_not_found",
        Ok(Evidence::Canceled) => "authorization_canceled",
        Ok(Evidence::SpentElsewhere { .. }) => "authorization_spent_elsewhere",
        Ok(Evidence::Expired) => "authorization_expired",
        Err(error) => {
            tracing::warn!(%error, "the chain did not answer about a transfer");
            return Ok(());
        }
    };
    without_transfer(app, row, lost).await
}

async fn replace_evidence(
    app: &App,
    row: &Payment,
    transfer: TransferEvidence,
) -> Result<(), StoreError> {
    let id = &row.payment_id;
    let data = json!({"before": row.transaction, "now": transfer.transaction});
    match app.store.replace_evidence(id, transfer, app.now()).await {
        Ok(_) => {}
        Err(StoreError::EvidenceTaken) => {
            return without_transfer(app, row, "transfer_pays_for_another").await;
        }
        Err(error) => return Err(error),
    }
    if row.log_index.is_some() {
        app.record_event(id, "payment_evidence_replaced", data)
            .await;
    }
    Ok(())
}

/// Reports a payment that was delivered although its transfer is not on the chain. The operator has
/// to check it.
async fn without_transfer(app: &App, row: &Payment, reason: &str) -> Result<(), StoreError> {
    let (id, transaction) = (&row.payment_id, &row.transaction);
    tracing::error!(
        payment.id = id.as_str(),
        transaction,
        reason,
        state = row.state.as_str(),
        "a settled payment has no transfer on the chain"
    );
    metrics::counter!("payments_without_transfer_total").increment(1);
    let data = json!({"transaction": transaction, "reason": reason});
    app.record_event(id, "payment_without_transfer", data).await;
    app.store.mark_checked(id, app.now()).await.map(drop)
}
