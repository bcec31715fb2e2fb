//! The paid operations, one per file: what it costs, what has to hold before money moves, how it is done, how it is undone.

pub mod console;
pub mod exec;
pub mod lease_container;
pub mod list;
pub mod renew_lease;

use api_types::{ErrorCode, FieldError};
use serde::Serialize;

use crate::{
    error::ApiError,
    paywall::{About, Operation, follow},
    state::App,
    store::{Answer, Lease, Payment, PaymentState, StoreError},
};

pub use console::Console;
pub use exec::Exec;
pub use lease_container::LeaseContainer;
pub use list::List;
pub use renew_lease::RenewLease;

/// Between two looks for what other replicas left behind, in seconds.
const LOOK_SECONDS: i64 = 60;
/// How long something that nobody works on has to have stood still, in seconds.
const LEFT_SECONDS: i64 = 60;

/// Takes up what a crash left behind, and leaves alone what another replica works on.
///
/// # Errors
/// The store failed.
pub async fn recover(app: &App) -> Result<(), StoreError> {
    take_up(app, i64::MAX).await
}

/// Takes up what is unfinished, has not moved since `before` and is worked on by nobody.
async fn take_up(app: &App, before: i64) -> Result<(), StoreError> {
    for found in app.store.unfinished_payments().await? {
        if found.updated_at > before {
            continue;
        }
        let Some(_turns) = follow::idle(app, &found).await? else {
            continue;
        };
        // Read again in its turn: whoever had it before may have finished.
        let Some(payment) = app.store.payment(&found.payment_id).await? else {
            continue;
        };
        recover_one(app, &payment).await?;
    }
    // An undo that the database cut off leaves a lease whose payment is over.
    for found in app.store.abandoned_leases(before).await? {
        let Some(payment) = app.store.payment(&found.payment_id).await? else {
            continue;
        };
        let Some(_turns) = follow::idle(app, &payment).await? else {
            continue;
        };
        let still = app.store.abandoned_leases(before).await?;
        if still.iter().any(|lease| lease.lease_id == found.lease_id) {
            LeaseContainer::abandoned(&found)
                .undo(app, &follow::job_of(&payment))
                .await;
        }
    }
    Ok(())
}

/// Looks every minute for what a replica left behind that has died, until the process ends.
pub async fn look_after_replicas(app: App) {
    loop {
        let wake = (app.now() + LOOK_SECONDS).unsigned_abs() * 1000;
        app.clock.sleep_until(wake).await;
        if let Err(error) = take_up(&app, app.now() - LEFT_SECONDS).await {
            tracing::error!(%error, "what was left behind cannot be looked for");
        }
    }
}

async fn recover_one(app: &App, payment: &Payment) -> Result<(), StoreError> {
    let resumable = [LeaseContainer::NAME, RenewLease::NAME].contains(&payment.operation.as_str());
    if payment.state == PaymentState::Settled && !resumable {
        // Whoever paid asks again, with the same signed request.
        return Ok(());
    }
    tracing::info!(
        payment.id = payment.payment_id,
        state = payment.state.as_str(),
        "taking up a payment"
    );
    match payment.operation.as_str() {
        LeaseContainer::NAME => follow::recover::<LeaseContainer>(app, payment).await,
        RenewLease::NAME => follow::recover::<RenewLease>(app, payment).await,
        // What is done anew on each request needs nothing but its payment's outcome.
        _ => follow::recover::<List>(app, payment).await,
    }
}

/// Every operation that is sold.
pub const ALL: &[About] = &[
    About::of::<LeaseContainer>(),
    About::of::<RenewLease>(),
    About::of::<Exec>(),
    About::of::<Console>(),
    About::of::<List>(),
];

/// Method and path of an operation, by its name in the store.
pub fn route_of(name: &str) -> String {
    ALL.iter().find(|about| about.name == name).map_or_else(
        || name.to_owned(),
        |about| format!("{} {}", about.method, about.path),
    )
}

/// The container's number in the path.
///
/// # Errors
/// It is none that a container can have.
pub fn vmid_in_path(ctid: Option<&str>) -> Result<u32, ApiError> {
    ctid.and_then(|ctid| ctid.parse::<pve::Vmid>().ok())
        .map(pve::Vmid::get)
        .ok_or_else(|| {
            let field = FieldError::new("ctid", "has to be a container's number, 100 or more");
            ApiError::invalid(vec![field])
        })
}

/// The lease in the path.
///
/// # Errors
/// The path has no VMID, or no lease has it.
pub async fn lease_in_path(app: &App, ctid: Option<&str>) -> Result<Lease, ApiError> {
    let vmid = vmid_in_path(ctid)?;
    app.store.lease_by_vmid(vmid).await?.ok_or_else(|| {
        ApiError::new(
            ErrorCode::LeaseNotFound,
            "No lease has a container with this number.",
        )
    })
}

/// An answer with a JSON body.
///
/// # Errors
/// The body cannot be written.
pub fn answer(status: u16, body: &impl Serialize) -> Result<Answer, ApiError> {
    let body = serde_json::to_string(body).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        ApiError::new(ErrorCode::Internal, "The answer cannot be written.")
    })?;
    Ok(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_number_is_written_in_one_way() {
        assert_eq!(vmid_in_path(Some("40200")), Ok(40200));
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
