//! Counts containers that were made and not paid for, for the brake on the next ones.

use crate::{
    state::App,
    store::{HeldPower, Lease, PaymentState},
};

/// Counts a lease that is being undone where its payment was refused. What failed on our side is
/// not the customer's fault, and one whose container was held and stopped was counted then.
pub async fn count_if_refused(app: &App, lease: &Lease) {
    if !matches!(
        app.store.held_power(&lease.lease_id).await,
        Ok(HeldPower::Running)
    ) {
        return;
    }
    let row = app.store.payment(&lease.payment_id).await;
    if matches!(row, Ok(Some(row)) if row.state == PaymentState::Refused) {
        count(app, lease).await;
    }
}

/// Counts a container against its wallet, and the address that it was asked for from.
pub async fn count(app: &App, lease: &Lease) {
    metrics::counter!("machines_unpaid_total").increment(1);
    let client = lease.client.as_deref();
    let counted = app.store.record_unpaid(&lease.owner, client, app.now());
    if let Err(error) = counted.await {
        let id = lease.lease_id.as_str();
        tracing::error!(%error, lease.id = id, "the unpaid container of a lease cannot be counted");
    }
}
