//! Finds the lease that has a container's number now. Numbers are reused, so a call that the
//! customer pays for or confirms is bound to the lease's id, which is not reused.

use api_types::{ErrorCode, LeaseStatus, SuspendedLease, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Driver, call::ToolReport};
use crate::{
    error::ApiError,
    lease_api::{LeaseApiError, LeaseApiResponse},
    tools::{CallPlan, RegisteredTool, ToolClass},
    turn::Turn,
};

/// The members of a lease that bind a call to it. It is less than a whole lease, and each entry of
/// a list is read alone: a member or status of a later release must not leave a call unbound.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BoundLease {
    lease_id: String,
    ctid: u32,
    /// A status that this release does not know is none.
    #[serde(default, deserialize_with = "known_status")]
    status: Option<LeaseStatus>,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    ip: Option<String>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

fn known_status<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<LeaseStatus>, D::Error> {
    Ok(LeaseStatus::deserialize(Value::deserialize(from)?).ok())
}

impl BoundLease {
    fn read(lease: &Value) -> Option<Self> {
        Self::deserialize(lease).ok()
    }

    /// Whether it has the container with this number.
    fn has_container(&self, ctid: u32) -> bool {
        self.ctid == ctid && self.status != Some(LeaseStatus::Destroyed)
    }
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
            Ok(answer) if answer.is_done() => {
                let leases = answer.body["leases"].as_array().into_iter().flatten();
                let mut leases = leases.filter_map(BoundLease::read);
                Ok(leases.find(|lease| lease.has_container(ctid)))
            }
            Ok(answer) => Err(answer.refusal().0),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(Some(lease)) => {
                let lease = suspended_lease(lease);
                Ok(plan.for_lease(lease, self.app.clock.unix_seconds()))
            }
            _ if tool.class_of(&plan) != ToolClass::Confirmed => Ok(plan),
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
        match BoundLease::read(&answer.body) {
            Some(now) if answer.is_done() && !now.has_container(lease.ctid) => Err(over(lease)),
            _ => Ok(()),
        }
    }

    async fn read(&self, turn: &Turn, path: &str) -> Result<LeaseApiResponse, LeaseApiError> {
        let caller = self.caller(turn.id(), self.session.as_ref());
        self.app.lease_api.get(path, caller).await
    }
}

/// The lease of a call as the customer sees it.
fn suspended_lease(lease: BoundLease) -> SuspendedLease {
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
