//! Stays with a payment whose outcome nobody knows: asks the facilitator again with the very same request, asks the chain where
//! a node is configured, and ends with a delivery or with an undo. Takes up at start what a crash left behind.

use std::time::Duration;

use api_types::Price;
use serde_json::json;
use tracing::Instrument as _;
use x402::facilitator::{FacilitatorRequest, Settlement, onchain::Evidence};

use super::{Job, Operation, Paid, process::signature_name, progress::Progress, settle};
use crate::{
    locks::Turn,
    state::App,
    store::{Payment, PaymentState, StoreError},
};

/// Between two looks, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Seconds after the end of an authorization's window after which it cannot be mined any more.
const MARGIN: i64 = 60;
/// Seconds after which a payment that nothing can be learnt of is given up and shown to the operator.
const GIVE_UP: i64 = 24 * 3600;

/// Follows a payment in a task of its own, once whoever follows it already has stopped.
pub fn start<O: Operation>(app: &App, payment_id: &str) {
    let (app, id) = (app.clone(), payment_id.to_owned());
    let span = tracing::info_span!("follow", payment.id = id);
    let work = async move {
        // Without the turn two may follow, which the rows bear.
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
enum Word {
    Moved(String),
    NeverMoves(String),
    Nothing,
}

/// One look; true when there is nothing left to follow.
async fn look<O: Operation>(app: &App, payment_id: &str) -> Result<bool, StoreError> {
    let Some(row) = app.store.payment(payment_id).await? else {
        return Ok(true);
    };
    match row.state {
        PaymentState::Settling | PaymentState::Unknown => {}
        PaymentState::Settled => return Ok(take_up::<O>(app, &row).await),
        _ => return Ok(true),
    }
    match ask(app, &row).await {
        Word::Nothing => Ok(false),
        Word::Moved(transaction) => {
            let moved = app
                .store
                .mark_settled(payment_id, &transaction, app.now())
                .await?;
            app.note(
                payment_id,
                "payment_found_settled",
                json!({ "transaction": transaction }),
            )
            .await;
            let row = Payment {
                state: PaymentState::Settled,
                transaction: Some(transaction),
                ..row
            };
            Ok(moved && take_up::<O>(app, &row).await)
        }
        Word::NeverMoves(reason) => {
            app.store
                .mark_refused(payment_id, &reason, app.now())
                .await?;
            app.note(
                payment_id,
                "payment_found_refused",
                json!({ "reason": reason }),
            )
            .await;
            if let Some(operation) = O::resume(app, &row).await {
                operation.undo(app, &job_of(&row)).await;
            }
            Ok(true)
        }
    }
}

async fn ask(app: &App, row: &Payment) -> Word {
    let request: FacilitatorRequest = match serde_json::from_str(&row.request.0) {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(%error, payment.id = row.payment_id, "a stored payment cannot be read");
            return Word::Nothing;
        }
    };
    let refused = match app.facilitator.settle(&request).await {
        Settlement::Settled(receipt) => return Word::Moved(receipt.transaction),
        // Proves nothing: an earlier copy may have moved the money and emptied the payer.
        Settlement::Refused { reason, .. } => Some(reason),
        Settlement::Unknown { reason, .. } => {
            tracing::info!(payment.id = row.payment_id, reason, "still unknown");
            None
        }
    };
    let over = app.now() > row.valid_before.saturating_add(MARGIN);
    if let Some(witness) = &app.witness {
        match witness.look(&request).await {
            Ok(Evidence::Moved { transaction }) => return Word::Moved(transaction),
            Ok(Evidence::Canceled) => return Word::NeverMoves("authorization_canceled".into()),
            Ok(Evidence::Unspent) if over => {
                return Word::NeverMoves("authorization_expired".into());
            }
            Ok(Evidence::Unspent) => return Word::Nothing,
            Err(error) => tracing::warn!(%error, "the chain cannot be asked"),
        }
    }
    match refused {
        // Without a witness, the facilitator's word after the end of the window is the last that can be had.
        Some(reason) if over => Word::NeverMoves(reason),
        _ if app.now() > row.valid_before.saturating_add(GIVE_UP) => {
            tracing::error!(
                payment.id = row.payment_id,
                "a payment stays unknown and is given up: look at the chain"
            );
            Word::NeverMoves("unresolved".into())
        }
        _ => Word::Nothing,
    }
}

/// Delivers what was paid for, where that needs nobody; true unless it has to be tried again.
async fn take_up<O: Operation>(app: &App, row: &Payment) -> bool {
    let Some(operation) = O::resume(app, row).await else {
        // Whoever paid asks again, with the same signed request.
        return true;
    };
    let paid = Paid {
        transaction: row.transaction.clone().unwrap_or_default(),
        network: row.network.clone(),
    };
    match settle::deliver(app, &operation, &job_of(row), &paid).await {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(payment.id = row.payment_id, code = %error.code, "a paid operation cannot be finished yet");
            false
        }
    }
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
        valid_before: row.valid_before,
        progress: Progress::default(),
    }
}

/// The turn of a payment that nobody works on, neither under its signature nor under its id.
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

/// Takes up an unfinished payment that was left behind, for whoever has its turn and has read its row after that.
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
            // Nothing was asked of the facilitator beyond a look: whatever was begun is taken back. The row goes first, so
            // that nobody settles any more for what is taken back; a lease without it is found as such.
            let released = app
                .store
                .mark_released(&row.payment_id, "restart", app.now())
                .await?;
            if released && let Some(operation) = O::resume(app, row).await {
                operation.undo(app, &job_of(row)).await;
            }
        }
        PaymentState::Settling | PaymentState::Unknown | PaymentState::Settled => {
            start_if_alone::<O>(app, &row.payment_id).await?;
        }
        _ => {}
    }
    Ok(())
}
