//! `proxmox-api payments`: what is open between the operator and customers, and how a person
//! settles it. `arguments` reads the command line, `report` writes lists and details.

mod arguments;
mod report;

use std::sync::Arc;

use api_types::Usdc;
use service::clock::Clock;
use x402::facilitator::TransferEvidence;

pub use arguments::{Decision, DecisionOptions, PaymentsCommand};
use report::{due, show};

use super::unusable;
use crate::{
    payment::resolve,
    payment_machine::OperatorDecision,
    store::{Database, NewEvent, Payment, PaymentState, Store, StoreError},
};

/// What the command prints.
///
/// # Errors
/// Why it cannot be done.
pub async fn perform(
    database: &Database,
    clock: Arc<dyn Clock>,
    command: PaymentsCommand,
) -> Result<String, String> {
    let store = super::open(database).await?;
    let now = clock.unix_time();
    match command {
        PaymentsCommand::Due { json } => due(&store, json).await.map_err(unusable),
        PaymentsCommand::Show { id } => {
            let payment = find(&store, &id).await?;
            show(&store, &payment).await.map_err(unusable)
        }
        PaymentsCommand::Resolve {
            id,
            reason,
            decision,
        } => {
            let payment = find(&store, &id).await?;
            settle(&store, &payment, &reason, &decision.decision(), now).await
        }
    }
}

async fn find(store: &Store, id: &str) -> Result<Payment, String> {
    let found = store.payment(&id.into()).await.map_err(unusable)?;
    found.ok_or_else(|| format!("there is no payment {id}"))
}

/// Settles what is open about a payment, and writes it into the audit trail.
async fn settle(
    store: &Store,
    payment: &Payment,
    reason: &str,
    decision: &Decision,
    now: i64,
) -> Result<String, String> {
    let failed = |error: StoreError| format!("nothing was changed: {error}");
    let id = &payment.payment_id;
    let unresolved = payment.state == PaymentState::Unresolved;
    let transaction = match decision {
        Decision::Transaction(hash) => Some(hash.as_str()),
        Decision::NotMoved | Decision::GivenBack => None,
    };
    if let Some(hash) = transaction {
        let other = store.paid_by_transaction(&payment.network, hash, id).await;
        if let Some(other) = other.map_err(failed)? {
            return Err(format!(
                "nothing was changed: {hash} is the transaction of {other} already"
            ));
        }
    }
    let data = resolve::event_data(reason, transaction, payment);
    let (done, says) = match decision {
        Decision::Transaction(hash) if unresolved => {
            let transfer = TransferEvidence {
                transaction: hash.clone(),
                log_index: None,
                block: None,
            };
            let verdict = OperatorDecision::Moved(transfer);
            let done = resolve::resolve(store, payment, verdict, &data, now).await;
            let says = "moved money. The service delivers it within two minutes, or owes it.";
            (done.map_err(failed)?, says)
        }
        Decision::NotMoved if unresolved => {
            let verdict = OperatorDecision::NotMoved(resolve::RESOLVED_BY_OPERATOR.to_owned());
            let done = resolve::resolve(store, payment, verdict, &data, now).await;
            let says = "moved no money. What was made for it is removed.";
            (done.map_err(failed)?, says)
        }
        Decision::GivenBack if unresolved => {
            return Err(format!(
                "{id} is unresolved: say --transaction 0x… or --not-moved"
            ));
        }
        Decision::NotMoved => {
            return Err(format!(
                "{id} is not unresolved, but {}",
                payment.state.as_str()
            ));
        }
        Decision::Transaction(_) | Decision::GivenBack => {
            let debts = store.debts_of(id).await.map_err(failed)?;
            let Some(debt) = debts.iter().find(|debt| debt.state == "due") else {
                return Err(format!(
                    "nothing is open about {id}: it is {}, and nothing is due",
                    payment.state.as_str()
                ));
            };
            let event = NewEvent::new(id, resolve::RESOLVED_BY_OPERATOR, data);
            let done = store
                .pay_debt(id, &debt.reason, reason, transaction, event, now)
                .await;
            (
                done.map_err(failed)?,
                "is owed no longer: the debt was given back.",
            )
        }
    };
    if !done {
        return Err(format!("{id} has changed meanwhile: look at it again"));
    }
    Ok(format!(
        "{id} ({} of {}) {says}\n",
        Usdc(payment.amount),
        payment.payer
    ))
}
