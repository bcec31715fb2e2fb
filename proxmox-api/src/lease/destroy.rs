//! Ends a lease before its time, because its owner wants that. What is paid is not given back.

use std::time::Duration;

use api_types::ErrorCode;
use serde_json::json;
use tokio::time::timeout;

use super::{LeaseState, remove};
use crate::{
    error::ApiError,
    ids::LeaseId,
    state::App,
    store::{Lease, StoreError},
};

/// How long the owner waits for the container to be gone; the worker goes on with it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of the wish. Either way the lease cannot be renewed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The container is gone.
    Gone(Lease),
    /// The container will be gone in a moment.
    Going(Lease),
}

/// Destroys the container of a lease; one that is over already is left as it is.
///
/// # Errors
/// The lease is not paid yet, or the store failed.
pub async fn destroy(app: &App, lease: Lease) -> Result<Ended, ApiError> {
    if lease.state.is_in_flight() {
        let message = "The lease is still being made or paid; it can be ended once it is active.";
        return Err(ApiError::new(ErrorCode::LeaseConflict, message).retry_after(5));
    }
    // In a task of its own: an owner who hangs up has still ended the lease.
    let work = tokio::spawn(end(app.clone(), lease.lease_id.clone()));
    match timeout(PATIENCE, work).await {
        Ok(Ok(done)) => done?,
        Ok(Err(error)) => {
            tracing::error!(lease.id = lease.lease_id.as_str(), %error, "ending a lease broke off");
            let message = "Ending the lease broke off; it is tried again.";
            return Err(ApiError::new(ErrorCode::Internal, message));
        }
        Err(_) => tracing::warn!(lease.id = lease.lease_id.as_str(), "a removal takes long"),
    }
    let now = app.store.lease(&lease.lease_id).await?.unwrap_or(lease);
    Ok(match now.state {
        LeaseState::Destroyed => Ended::Gone(now),
        _ => Ended::Going(now),
    })
}

async fn end(app: App, lease_id: LeaseId) -> Result<(), StoreError> {
    // Waits for a stop, a start or a renewal that is under way.
    let _turn = app.leases_in_work.take(&lease_id).await?;
    let Some(mut lease) = app.store.lease(&lease_id).await? else {
        return Ok(());
    };
    let (now, destroying) = (app.now(), LeaseState::Destroying);
    if app
        .store
        .move_lease(&lease_id, lease.state, destroying, now)
        .await?
    {
        let data = json!({ "by": "owner", "expiresAt": lease.expires_at });
        app.record_event(&lease_id, "destroy_requested", data).await;
        lease.state = destroying;
    }
    if matches!(lease.state, LeaseState::Destroying | LeaseState::Undoing)
        && let Err(error) = remove::remove(&app, &lease).await
    {
        tracing::warn!(lease.id = lease_id.as_str(), %error, "a container cannot be removed yet");
        app.deadlines_moved.notify_one();
    }
    Ok(())
}
