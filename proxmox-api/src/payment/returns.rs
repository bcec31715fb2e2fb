//! Debts to payers become credit, where there is credit: at once, and at each sweep for those that
//! were made while it could not be.

use serde_json::json;

use crate::{
    ids::PaymentId,
    state::App,
    store::{LISTED, StoreError},
};

/// Turns a debt into credit of its payer; what was added, in atomic units. `None` where there is no
/// credit, or the debt is not due.
///
/// # Errors
/// The store failed; the sweep tries again.
pub async fn credit_debt(
    app: &App,
    payment_id: &PaymentId,
    reason: &str,
) -> Result<Option<u64>, StoreError> {
    if app.config.credit.is_none() {
        return Ok(None);
    }
    let network = app.config.payments.network.caip2;
    let credited = app
        .store
        .credit_debt(payment_id, reason, network, app.now());
    let Some(amount) = credited.await? else {
        return Ok(None);
    };
    tracing::info!(
        payment.id = payment_id.as_str(),
        reason,
        amount,
        "a debt became credit of its payer"
    );
    let data = json!({"reason": reason, "amount": amount.to_string()});
    app.record_event(payment_id, "debt_credited", data).await;
    Ok(Some(amount))
}

/// Turns every debt into credit that is due.
///
/// # Errors
/// The store failed.
pub async fn credit_debts(app: &App) -> Result<(), StoreError> {
    if app.config.credit.is_none() {
        return Ok(());
    }
    let network = app.config.payments.network.caip2;
    loop {
        let due = app.store.debts_to_credit(network).await?;
        for (payment_id, reason) in &due {
            credit_debt(app, payment_id, reason).await?;
        }
        if due.len() < LISTED {
            return Ok(());
        }
    }
}
