//! Finds the lease that the number in a path and the query `leaseId` select, for its owner.

use api_types::ErrorCode;
use serde::Deserialize;

use super::leases::foreign;
use crate::{
    App,
    error::ApiError,
    ids::{LeaseId, Wallet},
    operations,
    store::Lease,
};

/// The query that selects a lease. Numbers are used again, so a client that repeats a request names
/// the lease.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LeaseSelector {
    pub lease_id: Option<LeaseId>,
}

/// The lease with this id, or else the one that [`find`] finds by this number.
///
/// # Errors
/// There is none, or it is another wallet's.
pub(super) async fn find_by_id_or_vmid(
    app: &App,
    wallet: &Wallet,
    text: &str,
) -> Result<Lease, ApiError> {
    // A text that is no container's number is a lease's id.
    if operations::vmid_in_path(Some(text)).is_ok() {
        return find(app, wallet, text, None).await;
    }
    let lease = app.store.lease(&text.into()).await?;
    let lease =
        lease.ok_or_else(|| ApiError::new(ErrorCode::LeaseNotFound, "There is no such lease."))?;
    if lease.owner != *wallet {
        return Err(foreign());
    }
    Ok(lease)
}

/// The lease that holds the number now, or the wallet's last one that did.
///
/// # Errors
/// There is none, or it is another wallet's.
pub(super) async fn find(
    app: &App,
    wallet: &Wallet,
    ctid: &str,
    lease_id: Option<&LeaseId>,
) -> Result<Lease, ApiError> {
    let vmid = operations::vmid_in_path(Some(ctid))?;
    let not_found = |message: &str| ApiError::new(ErrorCode::LeaseNotFound, message);
    if let Some(lease_id) = lease_id {
        let lease = app.store.lease(lease_id).await?;
        let lease = lease
            .filter(|lease| lease.vmid == vmid)
            .ok_or_else(|| not_found("There is no such lease with this number."))?;
        return if lease.owner == *wallet {
            Ok(lease)
        } else {
            Err(foreign())
        };
    }
    let live = app.store.lease_by_vmid(vmid).await?;
    if let Some(lease) = live.as_ref().filter(|lease| lease.owner == *wallet) {
        return Ok(lease.clone());
    }
    let earlier = app.store.last_lease_of(wallet, vmid).await?;
    match (live, earlier) {
        (None, Some(over)) => Ok(over),
        (None, None) => Err(not_found("No lease has a container with this number.")),
        (Some(_), None) => Err(foreign()),
        (Some(_), Some(over)) => {
            let message =
                "Your lease with this number is over; the number belongs to another one now.";
            Err(ApiError::new(ErrorCode::LeaseEnded, message)
                .with("leaseId", over.lease_id.as_str()))
        }
    }
}
