//! Whether a wallet may use a lease now.

use api_types::ErrorCode;

use crate::{
    error::ApiError,
    ids::{LeaseId, Wallet},
    state::App,
    store::{Lease, LeaseState},
};

/// The lease as it is now, for its owner only.
///
/// # Errors
/// It is another wallet's, or it is gone.
pub async fn owned(app: &App, lease_id: &LeaseId, payer: &Wallet) -> Result<Lease, ApiError> {
    let lease = app
        .store
        .lease(lease_id)
        .await?
        .ok_or_else(|| ApiError::new(ErrorCode::LeaseNotFound, "There is no such lease."))?;
    if lease.owner != *payer {
        let message = "The lease belongs to another wallet; nothing was charged.";
        return Err(ApiError::new(ErrorCode::Forbidden, message));
    }
    if matches!(
        lease.state,
        LeaseState::Undoing | LeaseState::Destroying | LeaseState::Destroyed
    ) {
        return Err(ApiError::new(
            ErrorCode::LeaseEnded,
            "The lease is over and its container is gone.",
        ));
    }
    Ok(lease)
}

/// The lease as it is now, for its owner and only while the paid time runs.
///
/// # Errors
/// As [`owned`], or the lease is not active.
pub async fn active(app: &App, lease_id: &LeaseId, payer: &Wallet) -> Result<Lease, ApiError> {
    let lease = owned(app, lease_id, payer).await?;
    let over = lease.expires_at.is_some_and(|end| end <= app.now());
    match lease.state {
        LeaseState::Active if !over => Ok(lease),
        LeaseState::Active | LeaseState::Expiring | LeaseState::Stopped => {
            let message = "The paid time is over and the container is stopped.";
            Err(ApiError::new(ErrorCode::LeaseConflict, message).advise("renew the lease"))
        }
        _ => {
            let message = "The lease is not active yet.";
            Err(ApiError::new(ErrorCode::LeaseConflict, message).retry_after(5))
        }
    }
}
