//! Ends a lease early for its owner. Where there is credit, the whole minutes that were not used
//! are given back as such; else nothing is.

use std::time::Duration;

use api_types::ErrorCode;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    error::ApiError,
    ids::LeaseId,
    lease::ending::remove,
    state::App,
    store::{EarlyEnd, Lease, LeaseState, ReturnRules, StoreError},
};

/// How long the owner waits for the container to be gone; the worker goes on with it.
const OWNER_TIMEOUT: Duration = Duration::from_secs(20);

/// The result of an early end. The lease cannot be renewed any more in either case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestroyOutcome {
    /// The container is gone.
    Removed(Lease),
    /// The container will be gone in a moment.
    Removing(Lease),
}

/// Destroys the container of a lease; one that is over already is left as it is.
///
/// # Errors
/// The lease is not paid yet, or the store failed.
pub async fn destroy(app: &App, lease: Lease) -> Result<DestroyOutcome, ApiError> {
    if lease.state.is_in_flight() {
        let message = "The lease is still being made or paid; it can be ended once it is active.";
        return Err(ApiError::new(ErrorCode::LeaseConflict, message).retry_after(5));
    }
    // In a task of its own, so that the lease ends even if the owner hangs up.
    let work = tokio::spawn(end(app.clone(), lease.lease_id.clone()));
    match timeout(OWNER_TIMEOUT, work).await {
        Ok(Ok(done)) => done?,
        Ok(Err(error)) => {
            tracing::error!(lease.id = lease.lease_id.as_str(), %error, "the early end of a lease broke off");
            let message = "Ending the lease broke off; it is tried again.";
            return Err(ApiError::new(ErrorCode::Internal, message));
        }
        Err(_) => tracing::warn!(
            lease.id = lease.lease_id.as_str(),
            "the removal of a container takes long; the work goes on"
        ),
    }
    let now = app.store.lease(&lease.lease_id).await?.unwrap_or(lease);
    Ok(match now.state {
        LeaseState::Destroyed => DestroyOutcome::Removed(now),
        _ => DestroyOutcome::Removing(now),
    })
}

/// Moves a lease on to its end and gives back what was not used; `None` if it is over already.
async fn begin(app: &App, lease: &Lease) -> Result<Option<EarlyEnd>, StoreError> {
    let (id, now) = (&lease.lease_id, app.now());
    match &app.config.credit {
        Some(rules) => {
            let rules = ReturnRules {
                min_billed: rules.min_billed,
            };
            app.store.end_early(id, lease.state, rules, now).await
        }
        None => {
            let moved = app
                .store
                .move_lease(id, lease.state, LeaseState::Destroying, now);
            Ok(moved.await?.then(EarlyEnd::default))
        }
    }
}

async fn end(app: App, lease_id: LeaseId) -> Result<(), StoreError> {
    // Waits for a stop, a start or a renewal that is under way.
    let _lock = app.leases_in_work.take(&lease_id).await?;
    let Some(mut lease) = app.store.lease(&lease_id).await? else {
        return Ok(());
    };
    if let Some(returned) = begin(&app, &lease).await? {
        let data = json!({
            "by": "owner", "expiresAt": lease.expires_at, "unusedMinutes": returned.minutes,
            "returned": returned.returned.to_string(),
        });
        app.record_event(&lease_id, "destroy_requested", data).await;
        lease.state = LeaseState::Destroying;
    }
    if matches!(lease.state, LeaseState::Destroying | LeaseState::Undoing)
        && let Err(error) = remove::remove(&app, &lease).await
    {
        tracing::warn!(lease.id = lease_id.as_str(), %error, "the container cannot be removed yet");
        app.deadlines_moved.notify_one();
    }
    Ok(())
}
