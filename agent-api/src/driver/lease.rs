//! From a container's number to the lease that has it now. Numbers are used again, so what the
//! customer is asked about is bound to the lease's id, which is not.

use api_types::{ErrorCode, SuspendedLease, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Driver, call::Told};
use crate::{
    error::ApiError,
    lease_api::{Answer, LeaseApiError},
    tools::{Class, Plan, Registered},
    turn::Turn,
};

/// The status of a lease whose container is gone.
const DESTROYED: &str = "destroyed";

/// A lease as `GET /leases` and `GET /leases/{leaseId}` tell of it, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    lease_id: String,
    ctid: u32,
    status: String,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    ip: Option<String>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

impl Held {
    fn read(lease: &Value) -> Option<Self> {
        serde_json::from_value(lease.clone()).ok()
    }

    fn has(&self, ctid: u32) -> bool {
        self.ctid == ctid && self.status != DESTROYED
    }
}

impl Driver<'_> {
    /// The same plan bound to the lease that has its number now. Without a session nobody can tell,
    /// and what the customer pays for is bound to its owner by the payment; what is confirmed needs
    /// the lease.
    ///
    /// # Errors
    /// The call is to be confirmed, and the wallet has no lease with this number, or it cannot be
    /// asked for.
    pub(super) async fn bind(
        &self,
        turn: &Turn,
        tool: &Registered,
        plan: Plan,
    ) -> Result<Plan, Told> {
        let (Some(ctid), Some(_)) = (plan.ctid, &self.session) else {
            return Ok(plan);
        };
        let answer = self.read(turn, "/leases").await;
        let found = match &answer {
            Ok(answer) if answer.is_done() => {
                let leases = answer.body["leases"].as_array().into_iter().flatten();
                let mut held = leases.filter_map(Held::read);
                Ok(held.find(|lease| lease.has(ctid)))
            }
            Ok(answer) => Err(answer.refusal().0),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(Some(held)) => Ok(plan.for_lease(held.into(), self.app.clock.unix_seconds())),
            _ if tool.class != Class::Confirmed => Ok(plan),
            Ok(None) => Err(Told::failed(format!(
                "None of the customer's leases has container {ctid}."
            ))),
            Err(problem) => Err(Told::failed(problem)),
        }
    }

    /// Whether the lease that a call was asked for is there still, as far as the session can tell.
    ///
    /// # Errors
    /// It is over; nothing was sent.
    pub(super) async fn lease_lives(&self, turn: &Turn, plan: &Plan) -> Result<(), ApiError> {
        let (Some(lease), Some(_)) = (&plan.lease, &self.session) else {
            return Ok(());
        };
        let path = format!("/leases/{}", lease.lease_id);
        let Ok(answer) = self.read(turn, &path).await else {
            return Ok(());
        };
        match Held::read(&answer.body).filter(|_| answer.is_done()) {
            Some(held) if !held.has(lease.ctid) => Err(over(lease)),
            _ => Ok(()),
        }
    }

    async fn read(&self, turn: &Turn, path: &str) -> Result<Answer, LeaseApiError> {
        let caller = self.caller(turn.id(), self.session.as_ref());
        self.app.lease_api.get(path, caller).await
    }
}

impl From<Held> for SuspendedLease {
    fn from(held: Held) -> Self {
        Self {
            lease_id: held.lease_id,
            ctid: held.ctid,
            hostname: held.hostname,
            ip: held.ip,
            expires_at: held.expires_at,
        }
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
