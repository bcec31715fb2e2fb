//! Looks at the chain once more for payments that are over: a refused one may have moved money all the same, and a settled
//! one may have lost its transfer. Without a chain to ask there is nothing to look at.

use serde_json::json;
use x402::facilitator::{
    FacilitatorRequest, TransferEvidence,
    onchain::{Evidence, Witness},
};

use super::{
    driver::{self, MARGIN, WAIT_FOR_CHAIN},
    payment_locks,
    store_transition::{self, TransitionResult},
    terms_without_work,
};
use crate::{
    payment_machine::{self as machine, ChainFinding, PaymentEffect, PaymentEvent, Requester},
    state::App,
    store::{Payment, StoreError},
};

/// Questions without an answer after which the node counts as away until the next sweep.
const GIVE_UP_AFTER: u32 = 3;
/// Seconds after which a transfer is looked at for the second time.
const SECOND_LOOK: i64 = 300;

/// Looks once more at payments that were refused, after their window: until then anybody who had seen the authorization could
/// send it. Money that moved is owed. Without a chain to ask there is nothing to look at.
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
        // A copy of the request must not be delivered between the settlement and the debt.
        let Some(_turns) = payment_locks::idle(app, &row).await? else {
            continue;
        };
        if row.network != app.config.payments.network.caip2 {
            // Of a network that was served before: this node knows nothing of it.
            app.store.mark_checked(id, now).await?;
            continue;
        }
        let Ok(request) = serde_json::from_str::<FacilitatorRequest>(&row.request.0) else {
            app.store.mark_checked(id, now).await?;
            continue;
        };
        match witness.look(&request, row.created_at.unsigned_abs()).await {
            Ok(evidence) => take_evidence(app, row, evidence).await?,
            Err(error) => {
                tracing::warn!(%error, "the chain cannot be asked about a refused payment");
                unanswered += 1;
                if unanswered >= GIVE_UP_AFTER {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Owes a settled payment whose operation this release does not know, once it is `late`.
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

/// What the chain says of a refused payment after its window: nothing more will come of it, or it is owed.
async fn take_evidence(app: &App, row: Payment, evidence: Evidence) -> Result<(), StoreError> {
    let (id, now) = (row.payment_id.clone(), app.now());
    let window = driver::window(&row, now);
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

/// Does what the machine says where nothing is delivered or undone.
async fn perform(app: &App, mut row: Payment, event: PaymentEvent) -> Result<(), StoreError> {
    let now = app.now();
    for effect in machine::step(terms_without_work(), row.state, event) {
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

/// Looks at transfers that paid for something, after a time in which the chain may have been reorganised: those that were
/// read on the chain have to be there still, and those that a facilitator reported have to be there at all.
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
        .transfers_to_check(app.now() - SECOND_LOOK)
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
                tracing::warn!(%error, payment.id = row.payment_id.as_str(), "the chain cannot be asked about a transfer");
                unanswered += 1;
                if unanswered >= GIVE_UP_AFTER {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// A transfer was never read on the chain, or is not where it was: it is found, or it is gone.
async fn find_again(app: &App, witness: &Witness, row: &Payment) -> Result<(), StoreError> {
    let id = &row.payment_id;
    let late = app.now() > row.updated_at.saturating_add(WAIT_FOR_CHAIN);
    let Ok(request) = serde_json::from_str::<FacilitatorRequest>(&row.request.0) else {
        return app.store.mark_checked(id, app.now()).await.map(drop);
    };
    let lost = match witness.look(&request, row.created_at.unsigned_abs()).await {
        Ok(Evidence::Moved(transfer)) => return replace_evidence(app, row, transfer).await,
        // A node may lag, and a transfer that fell out of a block may come into the next one.
        Ok(Evidence::Unspent | Evidence::NotFound) if !late => return Ok(()),
        Ok(Evidence::Unspent) => "unspent",
        Ok(Evidence::NotFound) => "transfer_not_found",
        Ok(Evidence::Canceled) => "authorization_canceled",
        Ok(Evidence::SpentElsewhere { .. }) => "authorization_spent_elsewhere",
        Ok(Evidence::Expired) => "authorization_expired",
        Err(error) => {
            tracing::warn!(%error, "the chain cannot be asked about a transfer");
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

/// Something was delivered for a payment that the chain does not have. It is for a person to look at.
async fn without_transfer(app: &App, row: &Payment, reason: &str) -> Result<(), StoreError> {
    let (id, transaction) = (&row.payment_id, &row.transaction);
    tracing::error!(
        payment.id = id.as_str(),
        transaction,
        reason,
        state = row.state.as_str(),
        "a payment that counts as settled has no transfer on the chain"
    );
    metrics::counter!("payments_without_transfer_total").increment(1);
    let data = json!({"transaction": transaction, "reason": reason});
    app.record_event(id, "payment_without_transfer", data).await;
    app.store.mark_checked(id, app.now()).await.map(drop)
}
