//! Stays with a payment whose outcome is unknown: asks the facilitator again with the very same request, asks the chain where
//! a node is configured, and ends with a delivery, with an undo, or with a payment that stays unresolved. Resumes at start,
//! and every minute, what was left behind.

use std::time::Duration;

use api_types::Price;
use serde_json::json;
use tracing::Instrument as _;
use x402::facilitator::{FacilitatorRequest, Settlement, TransferEvidence, onchain::Evidence};

use super::{Job, Operation, Paid, owed, process::signature_name, progress::Progress, settle};
use crate::{
    locks::Turn,
    state::App,
    store::{Payment, PaymentState, StoreError},
};

/// Between two looks, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Seconds after the end of an authorization's window after which nothing is waited for any more. A transfer that was sent in
/// the last moment is mined by then, and a chain that can be asked has its word.
pub const MARGIN: i64 = 60;
/// Seconds after the end of the window for which a chain that does not answer is waited for.
pub(super) const WAIT_FOR_CHAIN: i64 = 3600;
/// Seconds for which a settled payment is tried to be delivered by ourselves.
const DELIVER_FOR: i64 = 24 * 3600;

/// Follows a payment in a task of its own, once whoever follows it already has stopped.
pub fn start<O: Operation>(app: &App, payment_id: &str) {
    let (app, id) = (app.clone(), payment_id.to_owned());
    let span = tracing::info_span!("follow", payment.id = id);
    let work = async move {
        // Without the lock two may follow, which the rows bear.
        let _turn = app.payments_followed.take(&id).await;
        follow::<O>(&app, &id).await;
    };
    tokio::spawn(work.instrument(span));
}

/// The same where nobody follows it yet, here or in another replica.
async fn start_if_alone<O: Operation>(app: &App, payment_id: &str) -> Result<(), StoreError> {
    let Some(turn) = app.payments_followed.try_take(payment_id).await? else {
        return Ok(());
    };
    let (app, id) = (app.clone(), payment_id.to_owned());
    let span = tracing::info_span!("follow", payment.id = id);
    let work = async move {
        follow::<O>(&app, &id).await;
        drop(turn);
    };
    tokio::spawn(work.instrument(span));
    Ok(())
}

async fn follow<O: Operation>(app: &App, payment_id: &str) {
    let mut pause = FIRST_PAUSE;
    loop {
        match in_turn::<O>(app, payment_id).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the store failed while a payment was followed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn in_turn<O: Operation>(app: &App, payment_id: &str) -> Result<bool, StoreError> {
    let _turn = app.payments_in_work.take(payment_id).await?;
    look::<O>(app, payment_id).await
}

/// What is known of the money.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It moved, by this transfer.
    Moved(TransferEvidence),
    /// It did not move and never will, and why.
    NeverMoves(&'static str),
    /// Nothing is known yet; it is worth asking again.
    Open,
    /// Nothing can be learnt any more by asking, and why.
    Unknowable(&'static str),
}

/// One look; true when there is nothing left to follow.
async fn look<O: Operation>(app: &App, payment_id: &str) -> Result<bool, StoreError> {
    let Some(row) = app.store.payment(payment_id).await? else {
        return Ok(true);
    };
    match row.state {
        PaymentState::Settling | PaymentState::Unknown | PaymentState::Unresolved => {}
        PaymentState::Settled => return resume::<O>(app, &row).await,
        _ => return Ok(true),
    }
    match fate(app, &row).await {
        Fate::Open => Ok(row.state == PaymentState::Unresolved),
        Fate::Moved(transfer) => {
            let transaction = transfer.transaction.clone();
            match app
                .store
                .mark_settled(payment_id, transfer, app.now())
                .await
            {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(StoreError::EvidenceTaken) => {
                    tracing::error!(
                        transaction,
                        "a transfer is said to pay for a second purchase"
                    );
                    return unresolved(app, &row, "transfer_pays_for_another").await;
                }
                Err(error) => return Err(error),
            }
            let data = json!({ "transaction": transaction });
            app.note(payment_id, "payment_found_settled", data).await;
            let row = Payment {
                state: PaymentState::Settled,
                transaction: Some(transaction),
                updated_at: app.now(),
                ..row
            };
            resume::<O>(app, &row).await
        }
        Fate::NeverMoves(reason) => {
            let now = app.now();
            if !app.store.mark_refused(payment_id, reason, now).await? {
                // A person has decided meanwhile: what the row says now is looked at.
                return Ok(false);
            }
            let data = json!({ "reason": reason });
            app.note(payment_id, "payment_found_refused", data).await;
            if let Some(operation) = O::resume(app, &row).await? {
                operation.undo(app, &job_of(&row)).await;
            }
            Ok(true)
        }
        Fate::Unknowable(reason) => unresolved(app, &row, reason).await,
    }
}

/// Ends the search: a person decides, or the chain once it can be asked. What was prepared stays held for its time.
async fn unresolved(app: &App, row: &Payment, reason: &str) -> Result<bool, StoreError> {
    if row.state == PaymentState::Unresolved {
        return Ok(true);
    }
    let id = &row.payment_id;
    app.store.mark_unresolved(id, reason, app.now()).await?;
    tracing::error!(
        payment.id = id,
        reason,
        amount = row.amount,
        "it cannot be learnt whether a payment moved money: see `proxmox-api payments show`"
    );
    app.note(id, "payment_unresolved", json!({ "reason": reason }))
        .await;
    Ok(true)
}

/// Asks whoever can know. A refusal proves nothing here: an earlier copy may have moved the money, and emptied the payer,
/// used the nonce, or outlived the window. Only the chain's own word ends a payment of unknown outcome as refused.
async fn fate(app: &App, row: &Payment) -> Fate {
    let request: FacilitatorRequest = match serde_json::from_str(&row.request.0) {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(%error, payment.id = row.payment_id, "a stored payment cannot be read");
            return Fate::Unknowable("unreadable");
        }
    };
    let over = app.now() > row.valid_before.saturating_add(MARGIN);
    // A settlement asked for after the window can only repeat what is known.
    if row.state != PaymentState::Unresolved {
        match app.facilitator.settle(&request).await {
            Settlement::Settled { receipt, evidence } => {
                return Fate::Moved(settle::transfer_of(&receipt, evidence));
            }
            Settlement::Refused { reason, .. }
            | Settlement::Unsent { reason, .. }
            | Settlement::Unknown { reason, .. } => {
                tracing::info!(payment.id = row.payment_id, reason, "still unknown");
            }
        }
    }
    let Some(witness) = &app.witness else {
        return without_chain(app, over);
    };
    match witness.look(&request, row.created_at.unsigned_abs()).await {
        Ok(evidence) => of_evidence(evidence, over),
        Err(error) => {
            tracing::warn!(%error, "the chain cannot be asked");
            let late = app.now() > row.valid_before.saturating_add(WAIT_FOR_CHAIN);
            if late {
                Fate::Unknowable("chain_unreachable")
            } else {
                Fate::Open
            }
        }
    }
}

/// The facilitator is the only one that can be asked. The demo's ledger is our own, and its word is the truth.
fn without_chain(app: &App, over: bool) -> Fate {
    match (over, app.facilitator.describe().simulated) {
        (false, _) => Fate::Open,
        (true, true) => Fate::NeverMoves("authorization_expired"),
        (true, false) => Fate::Unknowable("no_chain_to_ask"),
    }
}

pub(super) fn of_evidence(evidence: Evidence, over: bool) -> Fate {
    match evidence {
        Evidence::Moved(transfer) => Fate::Moved(transfer),
        Evidence::Canceled => Fate::NeverMoves("authorization_canceled"),
        Evidence::SpentElsewhere { .. } => Fate::NeverMoves("authorization_spent_elsewhere"),
        Evidence::Expired => Fate::NeverMoves("authorization_expired"),
        // Used, and its log is not to be found in what the node serves.
        Evidence::NotFound if over => Fate::Unknowable("transfer_not_found"),
        Evidence::Unspent | Evidence::NotFound => Fate::Open,
    }
}

/// Delivers what was paid for, where that needs nobody; true unless it has to be tried again.
async fn resume<O: Operation>(app: &App, row: &Payment) -> Result<bool, StoreError> {
    let Some(operation) = O::resume(app, row).await? else {
        // The payer asks again, with the same signed request.
        return Ok(true);
    };
    let job = job_of(row);
    let paid = Paid {
        transaction: row.transaction.clone().unwrap_or_default(),
        network: row.network.clone(),
    };
    let error = match settle::deliver(app, &operation, &job, &paid).await {
        Ok(_) => return Ok(true),
        Err(error) => error,
    };
    tracing::error!(payment.id = row.payment_id, code = %error.code, "a paid operation cannot be finished yet");
    if settle::ends_owed::<O>(app, &job, &error).await?.is_some() {
        return Ok(true);
    }
    if app.now() > row.updated_at.saturating_add(DELIVER_FOR) {
        owed::owe(app, &row.payment_id, owed::reason::UNDELIVERED).await?;
        return Ok(true);
    }
    Ok(false)
}

/// The job of a stored payment.
pub fn job_of(row: &Payment) -> Job {
    let arguments: serde_json::Value = serde_json::from_str(&row.arguments).unwrap_or_default();
    let price = arguments
        .get("price")
        .and_then(|price| serde_json::from_value::<Price>(price.clone()).ok())
        .unwrap_or(Price {
            total: api_types::Usdc(row.amount),
            lines: Vec::new(),
        });
    Job {
        payment_id: row.payment_id.clone(),
        payer: row.payer.clone(),
        client: None,
        price,
        first_seen: row.created_at,
        valid_before: row.valid_before,
        progress: Progress::default(),
    }
}

/// The locks of a payment that nobody works on, neither under its signature nor under its id.
///
/// # Errors
/// The database that replicas share cannot be reached.
pub async fn idle(app: &App, row: &Payment) -> Result<Option<(Turn, Turn)>, StoreError> {
    let name = signature_name(&row.payer, &row.nonce);
    let Some(signature) = app.payments_in_work.try_take(&name).await? else {
        return Ok(None);
    };
    let own = app.payments_in_work.try_take(&row.payment_id).await?;
    Ok(own.map(|own| (signature, own)))
}

/// Resumes an unfinished payment that was left behind, for whoever has its lock and has read its row after that.
///
/// # Errors
/// The store failed.
pub async fn recover<O: Operation>(app: &App, row: &Payment) -> Result<(), StoreError> {
    match row.state {
        PaymentState::Reserved => {
            app.store
                .mark_released(&row.payment_id, "restart", app.now())
                .await?;
        }
        PaymentState::Verified => {
            // Nothing was asked of the facilitator beyond a look: whatever was begun is undone. The row goes first, so
            // that nobody settles any more for what is undone; a lease without it is found as such.
            let released = app
                .store
                .mark_released(&row.payment_id, "restart", app.now())
                .await?;
            if released && let Some(operation) = O::resume(app, row).await? {
                operation.undo(app, &job_of(row)).await;
            }
        }
        PaymentState::Settling
        | PaymentState::Unknown
        | PaymentState::Unresolved
        | PaymentState::Settled => {
            start_if_alone::<O>(app, &row.payment_id).await?;
        }
        _ => {}
    }
    Ok(())
}
