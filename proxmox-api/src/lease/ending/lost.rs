//! Ends a lease whose container was lost on the host; the unused part of what was paid is owed.

use serde_json::json;

use crate::{
    memory::alarms::Trouble,
    payment::returns,
    state::App,
    store::{LOST, Lease, StoreError},
};

/// Ends a paid lease whose container is gone since `since`; false if the lease is over already.
/// The caller holds its lock.
///
/// # Errors
/// The store failed.
pub async fn end_lost_lease(
    app: &App,
    lease: &Lease,
    trouble: Trouble,
    since: i64,
) -> Result<bool, StoreError> {
    let id = &lease.lease_id;
    let Some(owed) = app.store.end_lost_lease(id, since, app.now()).await? else {
        return Ok(false);
    };
    app.alarms.clear(id, &[]);
    app.deadlines_moved.notify_one();
    for (payment, _) in &owed {
        // What cannot be credited now is credited by the sweep.
        if let Err(error) = returns::credit_debt(app, payment, LOST).await {
            tracing::warn!(%error, payment.id = payment.as_str(), "a debt could not be credited yet");
        }
    }
    let owed: Vec<_> = owed
        .into_iter()
        .map(|(payment, amount)| json!({ "paymentId": payment, "amount": amount.to_string() }))
        .collect();
    tracing::error!(
        lease.id = id.as_str(),
        vmid = lease.vmid.get(),
        debts = owed.len(),
        "the container of a lease is lost; the lease has ended, and its unused part is owed"
    );
    let data = json!({ "vmid": lease.vmid, "why": trouble.word(), "since": since, "owed": owed });
    app.record_event(id, "container_lost", data).await;
    metrics::counter!("leases_lost_total").increment(1);
    Ok(true)
}
