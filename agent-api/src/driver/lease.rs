//! Finds the lease that has a container's number now. Numbers are reused, so a call that the
//! customer pays for or confirms is bound to the lease's id, which is not reused.

use api_types::{ErrorCode, LeaseStatus, LeaseView, ListResponse, SuspendedLease};

use super::{Driver, call::ToolReport};
use crate::{
    error::ApiError,
    lease_api::{LeaseApiError, LeaseApiResponse},
    tools::{CallPlan, RegisteredTool, ToolClass},
    turn::Turn,
};

/// Whether a lease has the container with this number.
fn has_container(lease: &LeaseView, ctid: u32) -> bool {
    lease.ctid == ctid && lease.status != LeaseStatus::Destroyed
}

impl Driver<'_> {
    /// Binds a plan to the lease that has its number now. Without a session the lease cannot be
    /// found. A paid call does not need it, because the payment binds it to the lease's owner; a
    /// confirmed call does.
    ///
    /// # Errors
    /// The call has to be confirmed, and the wallet has no lease with this number, or the leases
    /// cannot be read.
    pub(super) async fn bind(
        &self,
        turn: &Turn,
        tool: &RegisteredTool,
        plan: CallPlan,
    ) -> Result<CallPlan, ToolReport> {
        let (Some(ctid), Some(_)) = (plan.ctid, &self.session) else {
            return Ok(plan);
        };
        let answer = self.read(turn, "/leases").await;
        let found = match &answer {
            Ok(answer) if answer.is_done() => answer
                .read::<ListResponse>()
                .map(|list| {
                    let mut leases = list.leases.into_iter();
                    leases.find(|lease| has_container(lease, ctid))
                })
                .map_err(|error| error.to_string()),
            Ok(answer) => Err(answer.refusal().0),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(Some(lease)) => {
                let lease = suspended_lease(lease);
                Ok(plan.for_lease(lease, self.app.clock.unix_seconds()))
            }
            _ if tool.class != ToolClass::Confirmed => Ok(plan),
            Ok(None) => Err(ToolReport::failed(format!(
                "None of the customer's leases has container {ctid}."
            ))),
            Err(problem) => Err(ToolReport::failed(problem)),
        }
    }

    /// Checks that the lease of a call still exists, as far as the session shows.
    ///
    /// # Errors
    /// The lease is over; nothing was sent.
    pub(super) async fn check_lease(&self, turn: &Turn, plan: &CallPlan) -> Result<(), ApiError> {
        let (Some(lease), Some(_)) = (&plan.lease, &self.session) else {
            return Ok(());
        };
        let path = format!("/leases/{}", lease.lease_id);
        let Ok(answer) = self.read(turn, &path).await else {
            return Ok(());
        };
        match answer.read::<LeaseView>() {
            Ok(now) if answer.is_done() && !has_container(&now, lease.ctid) => Err(over(lease)),
            _ => Ok(()),
        }
    }

    async fn read(&self, turn: &Turn, path: &str) -> Result<LeaseApiResponse, LeaseApiError> {
        let caller = self.caller(turn.id(), self.session.as_ref());
        self.app.lease_api.get(path, caller).await
    }
}

/// The lease of a call as the customer sees it.
fn suspended_lease(lease: LeaseView) -> SuspendedLease {
    SuspendedLease {
        lease_id: lease.lease_id,
        ctid: lease.ctid,
        hostname: lease.hostname,
        ip: lease.ip,
        expires_at: lease.expires_at,
    }
}

fn over(lease: &SuspendedLease) -> ApiError {
    let message = format!(
        "The lease of container {} that this was asked for is over; this request sent nothing.",
        lease.ctid
    );
    ApiError::new(ErrorCode::LeaseEnded, message)
        .advise("ask for it again if it is meant for another lease")
}
