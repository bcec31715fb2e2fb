//! The paid operations, one per file: what it costs, what has to hold before money moves, how it is
//! done, how it is undone. The list below is the only one; [`registry`] is what the rest of the
//! service reads from it.
//! [`sweep`] goes on with what was left behind. docs/ARCHITECTURE.md says how to add an operation.

pub mod console;
pub mod exec;
pub mod lease_container;
pub mod list;
pub mod registry;
pub mod renew_lease;
pub mod sweep;
pub mod top_up;

use api_types::{ErrorCode, FieldError, Price, Tariff, price};
use pve::Vmid;
use serde::Serialize;

use crate::{
    error::ApiError,
    payment::OperationRequest,
    state::App,
    store::{Lease, StoredAnswer},
};

// In the order in which customers are told of them.
registry::operations! {
    lease_container::LeaseContainer,
    renew_lease::RenewLease,
    exec::Exec,
    console::Console,
    list::List,
    top_up::TopUp,
}

/// The container's number in the path.
///
/// # Errors
/// It is none that a container can have.
pub fn vmid_in_path(ctid: Option<&str>) -> Result<Vmid, ApiError> {
    ctid.and_then(|ctid| ctid.parse::<Vmid>().ok())
        .ok_or_else(|| {
            let field = FieldError::new("ctid", "has to be a container's number, 100 or more");
            ApiError::invalid(vec![field])
        })
}

/// The lease in the path: the one that has the number now, which has to be the one that the query
/// names, if it names one.
///
/// # Errors
/// The path has no VMID, no lease has it, or another lease has it than the one that is meant.
pub async fn lease_in_path(app: &App, call: OperationRequest<'_>) -> Result<Lease, ApiError> {
    let vmid = vmid_in_path(call.ctid)?;
    let lease = app.store.lease_by_vmid(vmid).await?.ok_or_else(|| {
        ApiError::new(
            ErrorCode::LeaseNotFound,
            "No lease has a container with this number.",
        )
    })?;
    match call.lease_id {
        Some(meant) if *meant != lease.lease_id => {
            let message = "The lease that is meant is over; its number belongs to another one now.";
            Err(ApiError::new(ErrorCode::LeaseEnded, message).with("leaseId", meant.as_str()))
        }
        _ => Ok(lease),
    }
}

/// What every call without a size costs.
///
/// # Errors
/// The operator's fee is too large for any payment.
pub fn call_price(tariff: &Tariff) -> Result<Price, ApiError> {
    price::price_call(tariff).map_err(|_| {
        ApiError::new(
            ErrorCode::Unavailable,
            "The call fee is set to an impossible amount.",
        )
    })
}

/// An answer with a JSON body.
///
/// # Errors
/// The body cannot be written.
pub fn answer(status: u16, body: &impl Serialize) -> Result<StoredAnswer, ApiError> {
    let body = serde_json::to_string(body).map_err(|error| {
        tracing::error!(%error, "the answer cannot be serialized");
        ApiError::new(ErrorCode::Internal, "The answer cannot be written.")
    })?;
    Ok(StoredAnswer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_number_is_written_in_one_way() {
        let vmid = vmid_in_path(Some("40200")).map(Vmid::get);
        assert_eq!(vmid, Ok(40200));
        for other in [
            "",
            "99",
            "+40200",
            "040200",
            "-1",
            " 40200",
            "40200.0",
            "1000000000",
            "x",
        ] {
            assert!(vmid_in_path(Some(other)).is_err(), "{other:?}");
        }
        assert!(vmid_in_path(None).is_err());
    }
}
